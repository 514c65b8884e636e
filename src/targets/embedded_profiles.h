// SPDX-License-Identifier: Apache-2.0
// The profiles in src/targets/profiles, as CMake puts them into the program (embed_profiles.cmake).
#pragma once

#include <span>
#include <string_view>

namespace edgesmith::targets {

struct EmbeddedProfile {
  std::string_view name;  ///< of the file, without ".toml"
  std::string_view text;
};

/// In order of name.
std::span<const EmbeddedProfile> embedded_profiles();

}  // namespace edgesmith::targets
