// SPDX-License-Identifier: Apache-2.0
// D/*.jpg: samples sorted by name, without labels unless a file of labels is named.
#include <filesystem>

#include "data/labels.h"
#include "data/sources/forms.h"
#include "edgesmith/base/log.h"

namespace edgesmith::data {
namespace {

// One picture beside class folders (a screenshot, a contact sheet) would be all the data there are.
void warn_about_class_folders(const DataSpec& spec, const FolderListing& listing) {
  std::vector<std::string> folders;
  for (const std::string& name : listing.folders) {
    const auto inner = list_folder((std::filesystem::path(spec.path) / name).string());
    if (inner && !inner->samples.empty()) folders.push_back(name);
  }
  if (folders.empty()) return;
  const size_t count = listing.samples.size();
  log::warning(
      spec.path + ": " + std::to_string(folders.size()) +
      (folders.size() == 1 ? " folder of pictures is" : " folders of pictures are") + " left out beside " +
      (count == 1 ? listing.samples[0] : std::to_string(count) + " pictures (" + listing.samples[0] + ", ...)") +
      "; where the folders are the classes, say labels = \"folders\" (--labels folders)");
}

}  // namespace

Result<SourcePtr> open_flat_folder(const DataSpec& spec, const Signature& signature, const FolderListing& listing) {
  std::vector<SampleFile> files;
  for (const std::string& name : listing.samples) {
    files.push_back({(std::filesystem::path(spec.path) / name).string(), -1});
  }
  const bool labelled = !spec.labels.empty() && spec.labels != "none";
  if (labelled) {
    auto labels = read_label_file(spec.labels, static_cast<int64_t>(files.size()));
    if (!labels) return labels.error();
    for (size_t i = 0; i < files.size(); ++i) files[i].label = (*labels)[i];
  }
  if (listing.foreign_images > 0) {
    log::warning(spec.path + ": " + std::to_string(listing.foreign_images) +
                 " pictures of other formats than JPEG and PNG are left out");
  }
  warn_about_class_folders(spec, listing);
  return SourcePtr(std::make_unique<FileSource>(std::move(files), labelled, signature));
}

}  // namespace edgesmith::data
