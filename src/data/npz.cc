// SPDX-License-Identifier: Apache-2.0
#include "data/npz.h"

#include <algorithm>

#include "data/npy.h"
#include "edgesmith/base/text.h"
#include "edgesmith/data/arrays.h"

namespace edgesmith::data {
namespace {

constexpr std::string_view kSuffix = ".npy";

}  // namespace

Result<NpzArchive> NpzArchive::open(const std::string& path) {
  auto bytes = map_file(path);
  if (!bytes) return bytes.error();
  auto entries = zip_entries(*bytes, path);
  if (!entries) return entries.error();
  NpzArchive archive;
  archive.path_ = path;
  archive.bytes_ = *bytes;
  for (ZipEntry& entry : *entries) {
    if (!std::string_view(entry.name).ends_with(kSuffix)) continue;
    archive.names_.push_back(entry.name.substr(0, entry.name.size() - kSuffix.size()));
    archive.entries_.push_back(std::move(entry));
  }
  if (archive.names_.empty()) return invalid_error(path + ": holds no arrays", "write it with numpy.savez");
  return archive;
}

bool NpzArchive::contains(const std::string& name) const {
  return std::find(names_.begin(), names_.end(), name) != names_.end();
}

Result<ir::Tensor> NpzArchive::read(const std::string& name) const {
  const auto found = std::find(names_.begin(), names_.end(), name);
  if (found == names_.end()) {
    return invalid_error(path_ + ": no array '" + name + "'", "it holds " + join(names_, ", "));
  }
  auto bytes = zip_read(bytes_, entries_[static_cast<size_t>(found - names_.begin())], path_);
  if (!bytes) return bytes.error();
  return parse_npy(*bytes, path_ + ": " + name);
}

Result<std::vector<NamedArray>> read_npz(const std::string& path) {
  auto archive = NpzArchive::open(path);
  if (!archive) return archive.error();
  std::vector<NamedArray> arrays;
  for (const std::string& name : archive->names()) {
    auto tensor = archive->read(name);
    if (!tensor) return tensor.error();
    arrays.push_back({name, *tensor});
  }
  return arrays;
}

}  // namespace edgesmith::data
