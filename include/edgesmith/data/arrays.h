// SPDX-License-Identifier: Apache-2.0
// Arrays in NumPy's files (.npy, .npz), read without copying where the file allows it, and written.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/tensor.h"

namespace edgesmith::data {

/// One array of an archive.
struct NamedArray {
  std::string name;  ///< without ".npy"
  ir::Tensor tensor;
};

/// Reads a .npy file (format 1.0 to 3.0) of any numeric or boolean dtype; little-endian data stay memory-mapped.
/// Errors: io; invalid (not npy, truncated, pickled objects, Fortran order, complex or text), naming the file.
Result<ir::Tensor> read_npy(const std::string& path);

/// Reads every array of an .npz file in the order of the archive. Stored arrays stay memory-mapped, deflated ones are
/// inflated once. Errors: as read_npy; entries that are not .npy files are skipped.
Result<std::vector<NamedArray>> read_npz(const std::string& path);

/// Writes arrays as an uncompressed .npz that numpy.load reads (zip64 where sizes need it), atomically. Names are
/// UTF-8; bfloat16 goes out as float32. Equal arrays give equal bytes. Errors: io; unsupported (text, 4-bit or 8-bit
/// floats).
Status write_npz(const std::string& path, std::span<const NamedArray> arrays);

}  // namespace edgesmith::data
