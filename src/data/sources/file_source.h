// SPDX-License-Identifier: Apache-2.0
// Samples that are one file each (folders and lists): a picture, or an .npy or .npz file with the arrays of one sample,
// which may differ in shape from those of the next.
#pragma once

#include <string>
#include <vector>

#include "data/source.h"

namespace edgesmith::data {

struct SampleFile {
  std::string path;
  int64_t label = -1;
};

/// True for names of files that can be a sample.
bool is_sample_file(std::string_view name);

/// What a folder holds, hidden entries left out, each list sorted by name (byte order).
struct FolderListing {
  std::vector<std::string> folders, samples;
  int64_t foreign_images = 0;  ///< pictures of formats that we do not decode
};
/// Errors: io.
Result<FolderListing> list_folder(const std::string& path);

class FileSource : public Source {
 public:
  FileSource(std::vector<SampleFile> files, bool has_labels, const Signature& signature)
      : files_(std::move(files)), has_labels_(has_labels), signature_(signature) {}

  int64_t size() const override { return static_cast<int64_t>(files_.size()); }
  std::string name(int64_t index) const override { return file(index).path; }
  Result<std::vector<RawInput>> read(int64_t index) const override;
  Result<uint64_t> fingerprint(int64_t index) const override;
  bool has_labels() const override { return has_labels_; }
  int64_t label(int64_t index) const override { return has_labels_ ? file(index).label : -1; }

 private:
  const SampleFile& file(int64_t index) const { return files_[static_cast<size_t>(index)]; }
  Result<std::vector<RawInput>> read_npz_sample(const std::string& path) const;
  ir::Tensor with_batch_axis(ir::Tensor tensor, const ModelInput& input) const;

  std::vector<SampleFile> files_;
  bool has_labels_;
  Signature signature_;
};

}  // namespace edgesmith::data
