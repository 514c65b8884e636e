// SPDX-License-Identifier: Apache-2.0
// Archives of NumPy's arrays (.npz), read without copying where the file allows it, and written.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "edgesmith/base/file.h"
#include "edgesmith/base/result.h"
#include "edgesmith/ir/tensor.h"

namespace edgesmith::data {

/// One array of an archive.
struct NamedArray {
  std::string name;  ///< without ".npy"
  ir::Tensor tensor;
};

/// Reads every array of an .npz file in the order of the archive; entries that are not .npy files are skipped. Stored
/// little-endian arrays stay memory-mapped, deflated ones are inflated once. Errors: io; invalid (no archive,
/// truncated, pickled objects, Fortran order, complex or text), naming the file and the array.
Result<std::vector<NamedArray>> read_npz(const std::string& path);

/// Writes arrays as an uncompressed .npz that numpy.load reads (zip64 where sizes need it), atomically. Names are
/// UTF-8; bfloat16 goes out as float32. Equal arrays give equal bytes. Errors: io; unsupported (text, 4-bit or 8-bit
/// floats).
Status write_npz(const std::string& path, std::span<const NamedArray> arrays, Existing existing = Existing::replace);

}  // namespace edgesmith::data
