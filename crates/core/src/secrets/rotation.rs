//! Rotation of the key-encryption key, in three steps, between which every node is started anew:
//! the next key is *added*, so that every node can open what it will seal; it is *promoted*, so that
//! it seals; and once nothing is sealed under the one before, that is *retired*.
//!
//! Numbers grow: a further key above the current one is the next, one below it was before it.

use super::{KeyEncryptionKey, SecretsMaterial};
use crate::rng::Rng;

/// Why a step of the rotation is not the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutOfTurn {
    /// A further key is there already.
    #[error("a rotation is under way already")]
    UnderWay,
    /// No further key is newer than the current one.
    #[error("there is no further key that is newer than the current one")]
    NothingNewer,
    /// No further key is older than the current one.
    #[error("there is no further key that is older than the current one")]
    NothingOlder,
    /// A further key is newer than the current one.
    #[error("a further key is newer than the current one, which has to be promoted first")]
    NotPromoted,
    /// 65,535 is the last number.
    #[error("the numbers of key-encryption keys are used up")]
    NumbersUsedUp,
}

impl SecretsMaterial {
    /// Draws the next key-encryption key as a further one, and gives its number.
    ///
    /// # Errors
    /// [`OutOfTurn::UnderWay`], [`OutOfTurn::NumbersUsedUp`].
    pub fn add_key_encryption_key(&mut self, rng: &dyn Rng) -> Result<u16, OutOfTurn> {
        if !self.further_key_encryption_keys.is_empty() {
            return Err(OutOfTurn::UnderWay);
        }
        let id = self.key_encryption_key.id.checked_add(1).ok_or(OutOfTurn::NumbersUsedUp)?;
        self.further_key_encryption_keys.push(KeyEncryptionKey::draw(id, rng));
        Ok(id)
    }

    /// Makes the newest further key the current one, which becomes a further one, and gives its
    /// number.
    ///
    /// # Errors
    /// [`OutOfTurn::NothingNewer`].
    pub fn promote_key_encryption_key(&mut self) -> Result<u16, OutOfTurn> {
        let current = &mut self.key_encryption_key;
        let newest = self.further_key_encryption_keys.iter_mut().max_by_key(|key| key.id);
        let newest = newest.filter(|key| key.id > current.id).ok_or(OutOfTurn::NothingNewer)?;
        std::mem::swap(newest, current);
        Ok(current.id)
    }

    /// Removes the further keys, and gives their numbers.
    ///
    /// # Errors
    /// [`OutOfTurn::NothingOlder`]; [`OutOfTurn::NotPromoted`] where the newest key would be among
    /// them.
    pub fn retire_key_encryption_keys(&mut self) -> Result<Vec<u16>, OutOfTurn> {
        let further = &mut self.further_key_encryption_keys;
        if further.is_empty() {
            return Err(OutOfTurn::NothingOlder);
        }
        if further.iter().any(|key| key.id > self.key_encryption_key.id) {
            return Err(OutOfTurn::NotPromoted);
        }
        Ok(further.drain(..).map(|key| key.id).collect())
    }

    /// Which check a plane's nodes are known by from now on, where it is another than `stored`: that
    /// of the current key, once a node starts that has it in the place of an older one.
    ///
    /// A node that has the newer key as a further one changes nothing, so that nodes in the middle of
    /// a rotation do not change the check to and fro.
    #[must_use]
    pub fn next_check(&self, stored: &[u8; 32]) -> Option<[u8; 32]> {
        let checks = self.check_values();
        let known_by = self.key_encryption_keys().zip(&checks).find(|(_, check)| *check == stored);
        let (key, _) = known_by?;
        (key.id < self.key_encryption_key.id).then(|| checks[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SeededRng;

    fn material() -> SecretsMaterial {
        SecretsMaterial::generate(&SeededRng::new(1)).expect("secrets")
    }

    fn ids(material: &SecretsMaterial) -> Vec<u16> {
        material.key_encryption_keys().map(|key| key.id).collect()
    }

    #[test]
    fn each_step_is_taken_in_its_turn_alone() {
        let (mut material, rng) = (material(), SeededRng::new(2));
        for first in [1, 2, 3] {
            assert_eq!(ids(&material), [first]);
            assert_eq!(material.promote_key_encryption_key(), Err(OutOfTurn::NothingNewer));
            assert_eq!(material.retire_key_encryption_keys(), Err(OutOfTurn::NothingOlder));

            assert_eq!(material.add_key_encryption_key(&rng), Ok(first + 1));
            assert_eq!(ids(&material), [first, first + 1]);
            assert_eq!(material.add_key_encryption_key(&rng), Err(OutOfTurn::UnderWay));
            assert_eq!(material.retire_key_encryption_keys(), Err(OutOfTurn::NotPromoted));

            assert_eq!(material.promote_key_encryption_key(), Ok(first + 1));
            assert_eq!(ids(&material), [first + 1, first]);
            assert_eq!(material.add_key_encryption_key(&rng), Err(OutOfTurn::UnderWay));
            assert_eq!(material.promote_key_encryption_key(), Err(OutOfTurn::NothingNewer));

            assert_eq!(material.retire_key_encryption_keys(), Ok(vec![first]));
        }
        material.key_encryption_key.id = u16::MAX;
        assert_eq!(material.add_key_encryption_key(&rng), Err(OutOfTurn::NumbersUsedUp));
    }

    /// The check moves when the next key is promoted and not before, and a node is known exactly
    /// where it has the key of the stored check.
    #[test]
    fn nodes_that_are_one_step_apart_are_of_one_plane_and_others_are_not() {
        let rng = SeededRng::new(2);
        let stages: [fn(&mut SecretsMaterial, &SeededRng); 4] = [
            |_, _| {},
            |material, rng| {
                material.add_key_encryption_key(rng).expect("in turn");
            },
            |material, _| {
                material.promote_key_encryption_key().expect("in turn");
            },
            |material, _| drop(material.retire_key_encryption_keys().expect("in turn")),
        ];
        let mut whole = material();
        let first = whole.check_values()[0];
        let known: Vec<_> = stages
            .into_iter()
            .map(|step| {
                step(&mut whole, &rng);
                (whole.check_values(), whole.next_check(&first))
            })
            .collect();
        let second = known[3].0[0];
        assert_ne!(first, second);
        assert_eq!(known[0], (vec![first], None));
        assert_eq!(known[1], (vec![first, second], None));
        assert_eq!(known[2], (vec![second, first], Some(second)));
        assert_eq!(known[3], (vec![second], None));

        // With the check of the second, the node that has it as a further key changes nothing.
        let mut added = material();
        added.add_key_encryption_key(&SeededRng::new(2)).expect("in turn");
        assert_eq!(added.next_check(&second), None);
        // Other secrets have none of these.
        let other = SecretsMaterial::generate(&SeededRng::new(3)).expect("secrets");
        assert!(!other.check_values().contains(&first));
        assert_eq!(other.next_check(&first), None);
    }

    /// Changing it would keep every node of a plane that is there from starting.
    #[test]
    fn the_check_that_earlier_versions_stored_is_still_the_same() {
        let check = material_of_bytes().check_values()[0];
        let halves = [&check[..16], &check[16..]]
            .map(|half| u128::from_be_bytes(half.try_into().expect("16 bytes")));
        // HMAC and HKDF of another implementation.
        let expected =
            [0xa635_35e4_acd5_6044_b861_ed66_fd23_6402, 0xbf48_e2f1_581a_d200_769c_b622_4739_2989];
        assert_eq!(halves, expected);
    }

    fn material_of_bytes() -> SecretsMaterial {
        SecretsMaterial {
            pepper_id: 1,
            pepper: zeroize::Zeroizing::new([1; 32]),
            key_encryption_key: KeyEncryptionKey { id: 1, value: zeroize::Zeroizing::new([2; 32]) },
            further_key_encryption_keys: Vec::new(),
            local_realm_key: zeroize::Zeroizing::new(vec![3; 5]),
        }
    }
}
