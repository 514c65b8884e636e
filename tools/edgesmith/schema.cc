// SPDX-License-Identifier: Apache-2.0
// `edgesmith schema KIND`: JSON Schema of our files, for editors and CI.
#include "edgesmith/report/schema.h"
#include "cli.h"
#include "edgesmith/zoo/schema.h"

namespace edgesmith::cli {

void add_schema(Program& program) {
  auto kind = std::make_shared<std::string>();
  std::vector<std::string> kinds = report::schema_kinds();
  kinds.push_back("manifest");
  Command* command =
      program.add_command("schema", "Print the JSON Schema of a kind of file", [kind](const Common&) -> Result<int> {
        print(*kind == "manifest" ? zoo::manifest_schema_json() : report::schema_json(*kind));
        return 0;
      });
  command->add_option("kind", *kind, "recipe, data, target, report or manifest (of zoo)")
      ->required()
      ->one_of(kinds)
      ->type_name("KIND");
}

}  // namespace edgesmith::cli
