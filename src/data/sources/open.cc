// SPDX-License-Identifier: Apache-2.0
// Recognises the form of a path.
#include <filesystem>

#include "data/bytes.h"
#include "data/idx.h"
#include "data/image.h"
#include "data/sources/forms.h"

namespace edgesmith::data {

namespace fs = std::filesystem;

namespace {

/// The first file in `folder` that is a whole data set, "" where there is none.
std::string readable_file(const fs::path& folder) {
  std::error_code ignored;
  std::string first;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    const bool images = name.find("images-idx3-ubyte") != name.npos || name.find("images.idx3-ubyte") != name.npos;
    const bool table = name.ends_with(".csv") || name.ends_with(".toml");
    if ((images || table) && (first.empty() || entry.path().string() < first)) first = entry.path().string();
  }
  return first;
}

Result<SourcePtr> open_folder(const DataSpec& spec, const Signature& signature) {
  std::error_code ignored;
  const fs::path folder(spec.path);
  if (fs::exists(folder / "input_0.pb", ignored)) return open_onnx_test_data(spec, signature);
  if (fs::exists(folder / "test_data_set_0" / "input_0.pb", ignored)) {
    return usage_error(spec.path + ": holds several sets of ONNX test data",
                       "name one of them: " + (folder / "test_data_set_0").string());
  }
  auto listing = list_folder(spec.path);
  if (!listing) return listing.error();
  if (holds_classes(spec, *listing)) return open_class_folders(spec, signature, *listing);
  if (!listing->samples.empty()) return open_flat_folder(spec, signature, *listing);
  if (const std::string file = readable_file(folder); !file.empty()) {
    return invalid_error(spec.path + ": holds files of data, but no samples of its own", "name one of them: " + file);
  }
  const std::string foreign =
      listing->foreign_images > 0 ? " (" + std::to_string(listing->foreign_images) + " pictures of other formats)" : "";
  return invalid_error(spec.path + ": no samples in the folder" + foreign,
                       "it should hold .jpg or .png pictures, or one folder of them for each class");
}

}  // namespace

bool holds_classes(const DataSpec& spec, const FolderListing& listing) {
  const bool told = spec.labels == "folders" || spec.labels == "folder-numbers";
  return !listing.folders.empty() && (told || listing.samples.empty());
}

Error labels_mismatch(const DataSpec& spec, const std::string& what, const std::string& choices) {
  return usage_error(spec.path + ": labels = \"" + spec.labels + "\" does not go with " + what, "use " + choices);
}

Result<SourcePtr> open_source(const DataSpec& spec, const Signature& signature) {
  std::error_code error;
  const fs::file_status status = fs::status(spec.path, error);
  if (spec.path.empty() || !fs::exists(status)) {
    return io_error((spec.path.empty() ? "data path is empty" : spec.path + ": no such file or folder"),
                    "check the path");
  }
  const std::string extension = fs::is_directory(status) ? "" : fs::path(spec.path).extension().string();
  if (!spec.features.empty() && extension != ".csv") {
    return usage_error(spec.path + ": 'features' are columns of a .csv table", "leave them out");
  }
  if (fs::is_directory(status)) return open_folder(spec, signature);
  if (extension == ".csv")
    return spec.features.empty() ? open_csv_list(spec, signature) : open_csv_table(spec, signature);
  if (has_image_suffix(spec.path)) {  // a folder of one
    DataSpec folder = spec;
    folder.path = fs::path(spec.path).parent_path().string();
    return open_flat_folder(folder, signature, {.samples = {fs::path(spec.path).filename().string()}});
  }
  if (extension == ".npz") return open_npz_source(spec, signature);
  if (extension == ".npy") return open_npy_source(spec, signature);
  auto bytes = map_file(spec.path);
  if (!bytes) return bytes.error();
  const bool gzip = bytes->size() > 2 && bytes->span[0] == std::byte{0x1f} && bytes->span[1] == std::byte{0x8b};
  const bool archive = spec.path.ends_with(".tar.gz") || extension == ".tgz" || extension == ".tar";
  if ((gzip && !archive) || looks_like_idx(bytes->span)) return open_idx_source(spec, signature);
  if (archive) return usage_error(spec.path + ": is an archive", "unpack it and name the folder");
  if (bytes->size() == 0) return invalid_error(spec.path + ": empty file", "it should hold samples");
  return usage_error(spec.path + ": not a form of data that edgesmith reads",
                     "give a picture, a folder of pictures, .csv, .npz, .npy, an IDX file, ONNX test data, or a .toml");
}

}  // namespace edgesmith::data
