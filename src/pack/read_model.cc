// SPDX-License-Identifier: Apache-2.0
#include <filesystem>

#include "edgesmith/base/file.h"
#include "edgesmith/pack/pack.h"
#include "onnx/external_data.h"
#include "pack/find_tensors.h"

namespace edgesmith::pack {

Result<std::vector<ModelFile>> read_model(const std::string& path) {
  auto bytes = read_file(path);
  if (!bytes) return bytes.error();
  std::vector<ModelFile> files = {{"", std::move(*bytes)}};
  auto locations = external_locations(files[0]);
  if (!locations) return locations.error().in(path);
  onnx::ExternalData data(std::filesystem::path(path).parent_path().string());
  for (const std::string& location : *locations) {
    auto file = data.open(location);
    if (!file) return file.error().in(path);
    const auto mapped = (*file)->bytes();
    files.push_back({location, std::string(reinterpret_cast<const char*>(mapped.data()), mapped.size())});
  }
  return files;
}

Result<int64_t> model_bytes(const std::string& path) {
  auto bytes = read_file(path);
  if (!bytes) return bytes.error();
  const ModelFile model{"", std::move(*bytes)};
  auto locations = external_locations(model);
  if (!locations) return locations.error().in(path);
  auto total = static_cast<int64_t>(model.bytes.size());
  onnx::ExternalData data(std::filesystem::path(path).parent_path().string());
  for (const std::string& location : *locations) {
    auto file = data.open(location);
    if (!file) return file.error().in(path);
    total += static_cast<int64_t>((*file)->bytes().size());
  }
  return total;
}

}  // namespace edgesmith::pack
