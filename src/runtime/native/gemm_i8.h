// SPDX-License-Identifier: Apache-2.0
// Matrix products on codes: what the kernels share, and tests that choose the vectors themselves.
#pragma once

#include "runtime/integer/form.h"
#include "runtime/native/int_packing.h"
#include "runtime/native/int_table.h"

namespace edgesmith::runtime::native {

/// A constant matrix of codes on the right of products.
struct PackedGemm : Prepared {
  PackedLayer layer;
  int64_t k = 0, outputs = 0;
  IntTiles::Result result = IntTiles::Result::codes;

  bool in_place() const { return !layer.words && layer.flip == 0; }
  int64_t row_bytes() const { return k * layer.element_bytes(); }
  int64_t chunk() const { return layer.chunk(row_bytes()); }
  /// Bytes that multiply() takes for so many rows.
  int64_t scratch_bytes(int64_t rows) const;
  /// out [rows, outputs]: codes, or reals or sums of four bytes.
  void multiply(const uint8_t* input, int64_t rows, uint8_t* scratch, uint8_t* out) const;
};

/// What kGemmI8 and kMatMulI8 prepare, for the given vectors. Errors: invalid.
Result<std::shared_ptr<const Prepared>> prepare_gemm_i8(const integer::Form& form, const IntTable& table);

}  // namespace edgesmith::runtime::native
