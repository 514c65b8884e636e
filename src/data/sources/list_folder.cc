// SPDX-License-Identifier: Apache-2.0
// Folders of 50 000 pictures are common and are listed by every command that opens them, so this asks the system once a
// block of names and for the type of an entry only where the name did not come with it.
#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include "data/sources/file_source.h"

namespace edgesmith::data {

namespace {

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

bool is_folder(const dirent& entry, const std::string& path) {
  if (entry.d_type == DT_DIR) return true;
  if (entry.d_type != DT_UNKNOWN && entry.d_type != DT_LNK) return false;
  std::error_code ignored;
  return std::filesystem::is_directory(path + "/" + entry.d_name, ignored);
}

// Names by byte order: most differ in their first eight bytes, which compare as one number.
void sort_names(std::vector<std::string>& names) {
  struct Entry {
    uint64_t start;
    std::string name;
  };
  std::vector<Entry> entries;
  entries.reserve(names.size());
  for (std::string& name : names) {
    uint64_t start = 0;
    for (size_t i = 0; i < 8; ++i) start = start << 8 | (i < name.size() ? static_cast<uint8_t>(name[i]) : 0);
    entries.push_back({start, std::move(name)});
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.start != b.start ? a.start < b.start : a.name < b.name; });
  for (size_t i = 0; i < names.size(); ++i) names[i] = std::move(entries[i].name);
}

}  // namespace

Result<FolderListing> list_folder(const std::string& path) {
  const std::unique_ptr<DIR, CloseFolder> folder(::opendir(path.c_str()));
  const auto failed = [&] {
    return io_error(path + ": cannot list the folder: " + std::strerror(errno), "check the permissions");
  };
  if (folder == nullptr) return failed();
  FolderListing listing;
  for (errno = 0; const dirent* entry = ::readdir(folder.get()); errno = 0) {
    const std::string_view name = entry->d_name;
    if (name.starts_with('.')) continue;
    if (is_folder(*entry, path)) {
      listing.folders.emplace_back(name);
    } else if (is_sample_file(name)) {
      listing.samples.emplace_back(name);
    } else if (has_foreign_image_suffix(name)) {
      ++listing.foreign_images;
    }
  }
  if (errno != 0) return failed();
  sort_names(listing.folders);
  sort_names(listing.samples);
  return listing;
}

}  // namespace edgesmith::data
