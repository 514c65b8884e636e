// SPDX-License-Identifier: Apache-2.0
// The forms of data that we read, one file each.
#pragma once

#include "data/source.h"
#include "data/sources/file_source.h"

namespace edgesmith::data {

/// Whether a folder is one of class folders: samples of its own make it a flat one, unless its labels are of folders.
bool holds_classes(const DataSpec& spec, const FolderListing& listing);
/// A folder of class folders of pictures. `listing` is what open_source() saw in it.
Result<SourcePtr> open_class_folders(const DataSpec& spec, const Signature& signature, const FolderListing& listing);
/// A folder of pictures (or .npy, .npz samples) without classes, sorted by name.
Result<SourcePtr> open_flat_folder(const DataSpec& spec, const Signature& signature, const FolderListing& listing);
/// A list of files, `path,label`.
Result<SourcePtr> open_csv_list(const DataSpec& spec, const Signature& signature);
/// A table of numbers with named columns.
Result<SourcePtr> open_csv_table(const DataSpec& spec, const Signature& signature);
/// Arrays by name.
Result<SourcePtr> open_npz_source(const DataSpec& spec, const Signature& signature);
/// One array.
Result<SourcePtr> open_npy_source(const DataSpec& spec, const Signature& signature);
/// MNIST's files.
Result<SourcePtr> open_idx_source(const DataSpec& spec, const Signature& signature);
/// A folder with input_0.pb: one run.
Result<SourcePtr> open_onnx_test_data(const DataSpec& spec, const Signature& signature);

/// "labels = 'x' does not go with ...".
Error labels_mismatch(const DataSpec& spec, const std::string& what, const std::string& choices);

}  // namespace edgesmith::data
