// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace edgesmith::zoo {

/// JSON Schema of a manifest (docs/zoo.md): its keys are those that its reader asks for, what they hold is the schema
/// of recipes.
std::string manifest_schema_json();

}  // namespace edgesmith::zoo
