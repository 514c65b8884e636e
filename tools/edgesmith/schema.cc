// SPDX-License-Identifier: Apache-2.0
// `edgesmith schema KIND`: JSON Schema of our files, for editors and CI.
#include "edgesmith/report/schema.h"
#include "cli.h"

namespace edgesmith::cli {

void add_schema(Program& program) {
  auto kind = std::make_shared<std::string>();
  Command* command =
      program.add_command("schema", "Print the JSON Schema of a kind of file", [kind](const Common&) -> Result<int> {
        print(report::schema_json(*kind));
        return 0;
      });
  command->add_option("kind", *kind, "recipe, data, target or report")
      ->required()
      ->one_of(report::schema_kinds())
      ->type_name("KIND");
}

}  // namespace edgesmith::cli
