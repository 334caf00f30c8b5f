//! `init` and `organizations`

use crate::cli::{Init, NewOrganization, Organizations, Printing};
use crate::config::Config;
use crate::transport::Transport;
use crate::wiring::Missing;
use crate::{Result, output};
use tenantry_api::operator as api;

/// `init`
pub(crate) async fn initialize(config: &Config, init: Init) -> Result<()> {
    let transport = Transport::local(config, Missing::Create).await?;
    let created = transport.post("/operator/initialize", None, &encode(init.new)).await?;
    print_created(&created, &init.printing)?;
    Ok(())
}

/// `organizations …`
pub(crate) async fn run(config: &Config, command: Organizations) -> Result<()> {
    let transport = Transport::local(config, Missing::Refuse).await?;
    match command {
        Organizations::Create(init) => {
            let created =
                transport.post("/operator/organizations", None, &encode(init.new)).await?;
            print_created(&created, &init.printing)?;
        }
        Organizations::List { printing } => print(&list(&transport).await?, &printing)?,
        Organizations::Suspend { id, resume, printing } => {
            let path = format!("/operator/organizations/{id}/suspended");
            let wanted = api::SetSuspended { suspended: !resume };
            let changed: api::Organization = transport.post(&path, None, &wanted).await?;
            print(&[changed], &printing)?;
        }
        Organizations::Entitle { id, entitlement, remove, printing } => {
            let path = format!("/operator/organizations/{id}/entitlement");
            let wanted = api::SetEntitlement { entitlement, given: !remove };
            let changed: api::Organization = transport.post(&path, None, &wanted).await?;
            print(&[changed], &printing)?;
        }
    }
    Ok(())
}

/// Every organization, page by page.
pub(crate) async fn list(transport: &Transport) -> Result<Vec<api::Organization>> {
    let mut all = Vec::new();
    let mut path = "/operator/organizations".to_owned();
    loop {
        let page: api::Organizations = transport.get(&path).await?;
        all.extend(page.data);
        match page.next {
            Some(next) => path = format!("/operator/organizations?after={next}"),
            None => return Ok(all),
        }
    }
}

fn encode(new: NewOrganization) -> api::CreateOrganization {
    api::CreateOrganization { organization: new.organization, name: new.name, email: new.email }
}

fn print_created(created: &api::CreatedOrganization, printing: &Printing) -> Result<()> {
    if printing.json {
        return output::json(created);
    }
    output::fields(&[
        ("organization", &created.organization_id),
        ("account", &created.account_id),
        ("member", &created.member_id),
        ("master key", &created.api_key),
    ]);
    output::line("\nThe master key is shown here and nowhere else.");
    Ok(())
}

fn print(organizations: &[api::Organization], printing: &Printing) -> Result<()> {
    if printing.json {
        return output::json(&organizations);
    }
    let rows = organizations.iter().map(|organization| {
        vec![
            organization.organization_id.clone(),
            organization.account_id.clone(),
            organization.name.clone(),
            organization.status.clone(),
            organization.entitlements.join(", "),
            organization.created_at.clone(),
        ]
    });
    output::table(&["ORGANIZATION", "ACCOUNT", "NAME", "STATUS", "ENTITLEMENTS", "CREATED"], rows);
    Ok(())
}
