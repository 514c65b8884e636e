// SPDX-License-Identifier: Apache-2.0
// Where the model zoo is, for tests that use it when it is there.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace edgesmith::testing {

/// $EDGESMITH_ZOO, or ../shared/zoo beside the checkout; may not exist.
inline std::string zoo_folder() {
  const char* folder = std::getenv("EDGESMITH_ZOO");
  return folder != nullptr ? folder : EDGESMITH_SOURCE_DIR "/../shared/zoo";
}

/// The .onnx files of the zoo and of its structures/, in order of name; empty without a zoo.
inline std::vector<std::string> zoo_models() {
  std::vector<std::string> paths;
  for (const std::string& folder : {zoo_folder(), zoo_folder() + "/structures"}) {
    if (!std::filesystem::is_directory(folder)) continue;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.path().extension() == ".onnx") paths.push_back(entry.path().string());
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace edgesmith::testing
