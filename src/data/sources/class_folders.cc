// SPDX-License-Identifier: Apache-2.0
// D/<class>/*.jpg: the class is the rank of the folder's name among the sorted names, or the name as a number.
#include <algorithm>
#include <charconv>
#include <filesystem>

#include "data/sources/forms.h"
#include "edgesmith/base/log.h"
#include "edgesmith/base/text.h"

namespace edgesmith::data {
namespace {

// Of the folders in a warning.
constexpr size_t kMostNames = 3;

bool number_of(const std::string& name, int64_t& number) {
  const auto end = std::from_chars(name.data(), name.data() + name.size(), number);
  return end.ec == std::errc() && end.ptr == name.data() + name.size();
}

// Ranks are surely not what was meant when every name is a number and some number is not its rank.
void warn_about_numbers(const DataSpec& spec, const std::vector<std::string>& names) {
  bool differ = false;
  for (size_t rank = 0; rank < names.size(); ++rank) {
    int64_t number = 0;
    if (!number_of(names[rank], number)) return;
    differ |= number != static_cast<int64_t>(rank);
  }
  if (!differ || !spec.labels.empty()) return;
  log::warning(spec.path + ": the folders have numbers for names, but their rank is taken as the class (" +
               names.back() + " is class " + std::to_string(names.size() - 1) +
               "); labels = \"folder-numbers\" takes the numbers");
}

void warn_about(const DataSpec& spec, const std::vector<std::string>& folders, const char* one, const char* many) {
  const std::span<const std::string> named(folders.data(), std::min(folders.size(), kMostNames));
  log::warning(spec.path + ": " + std::to_string(folders.size()) + " " + (folders.size() == 1 ? one : many) + ": " +
               join(named, ", ") + (folders.size() > kMostNames ? ", ..." : ""));
}

// A folder too high: its only content are folders of folders.
std::string folder_below(const std::string& path, const FolderListing& listing) {
  for (const std::string& name : listing.folders) {
    const std::string below = (std::filesystem::path(path) / name).string();
    auto inner = list_folder(below);
    if (inner && !inner->folders.empty()) return below;
  }
  return {};
}

}  // namespace

Result<SourcePtr> open_class_folders(const DataSpec& spec, const Signature& signature, const FolderListing& listing) {
  const bool ranks = spec.labels.empty() || spec.labels == "folders";
  if (!ranks && spec.labels != "folder-numbers" && spec.labels != "none") {
    return labels_mismatch(spec, "a folder of class folders", "folders, folder-numbers or none");
  }
  std::vector<SampleFile> files;
  std::vector<std::string> empty, deeper;
  int64_t foreign = 0;
  for (size_t rank = 0; rank < listing.folders.size(); ++rank) {
    const std::string& name = listing.folders[rank];
    const std::string folder = (std::filesystem::path(spec.path) / name).string();
    auto inner = list_folder(folder);
    if (!inner) return inner.error();
    int64_t label = static_cast<int64_t>(rank);
    if (spec.labels == "folder-numbers" && !number_of(name, label)) {
      return invalid_error(folder + ": the folder's name is not a class number",
                           "use labels = \"folders\" to take the rank of the names");
    }
    if (inner->samples.empty()) empty.push_back(name);
    for (const std::string& below : inner->folders) deeper.push_back(name + "/" + below);
    foreign += inner->foreign_images;
    for (const std::string& file : inner->samples) files.push_back({folder + "/" + file, label});
  }
  if (files.empty()) {
    const std::string below = folder_below(spec.path, listing);
    return invalid_error(
        spec.path + ": no .jpg or .png pictures in its class folders",
        below.empty() ? "it should hold one folder of pictures for each class" : "did you mean '" + below + "'?");
  }
  if (foreign > 0) {
    log::warning(spec.path + ": " + std::to_string(foreign) +
                 " pictures of other formats than JPEG and PNG are left out");
  }
  if (!empty.empty()) {
    warn_about(spec, empty, ranks ? "folder holds no pictures and is a class all the same" : "folder holds no pictures",
               ranks ? "folders hold no pictures and are classes all the same" : "folders hold no pictures");
  }
  if (!deeper.empty()) {
    warn_about(spec, deeper, "folder inside a class folder is left out", "folders inside class folders are left out");
  }
  if (ranks) warn_about_numbers(spec, listing.folders);
  return SourcePtr(std::make_unique<FileSource>(std::move(files), spec.labels != "none", signature));
}

}  // namespace edgesmith::data
