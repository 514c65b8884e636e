// SPDX-License-Identifier: Apache-2.0
// Convolution on codes, for tests that choose the vectors themselves.
#pragma once

#include <functional>
#include <optional>

#include "runtime/integer/form.h"
#include "runtime/native/code_planes.h"
#include "runtime/native/int_packing.h"
#include "runtime/native/int_table.h"

namespace edgesmith::runtime::native {

/// What kConvI8 prepares, for the given vectors. Errors: invalid.
Result<std::shared_ptr<const Prepared>> prepare_conv_i8(const integer::Form& form, const IntTable& table);

/// Weights of a convolution, packed.
struct PackedConv : Prepared {
  PackedLayer layer;
  ir::Dims weight;                    ///< as the graph has it
  bool taps_apart = false;            ///< segments are taps; else rows of the kernel
  std::optional<CodeGeometry> known;  ///< for the dims that the graph states
};

/// `node` has the attributes of a conv. Errors: invalid.
Result<std::shared_ptr<PackedConv>> pack_conv(const ir::Node& node, const ir::Dims& weight,
                                              const integer::WeightLayer& layer, const integer::Form& form,
                                              const IntTable& table);
/// The geometry for `input`; its taps are the segments. Errors: invalid.
Result<CodeGeometry> conv_geometry(const ir::Node& node, const ir::Dims& input, const PackedConv& conv);

/// Where the product of a band goes: [pixels][output channels], codes or 32-bit sums.
struct BandResult {
  uint8_t* out;
  bool sums = false;
  const int32_t* start = nullptr;  ///< instead of PackedLayer::start
};

/// Pixels 0 .. count - 1 of a band at `source` by all outputs; `done` is told of each run of pixels (first, count).
void multiply_band(const PackedConv& conv, const CodeGeometry& geometry, const uint8_t* source, int64_t count,
                   const BandResult& result, const std::function<void(int64_t, int64_t)>& done);

}  // namespace edgesmith::runtime::native
