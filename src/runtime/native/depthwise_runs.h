// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution of codes over runs, channels last. A row of outputs is one long run of neighbouring bytes:
// whatever the number of channels, vectors are full, and the weights of a vector repeat after a few of them ("phases").
// Where that would take too many weights (many channels, an odd number of them), each pixel is a run of its own.
//
//   8 channels, 32 bytes a vector:  | 0..7 0..7 0..7 0..7 | 0..7 0..7 ..    one phase
//   24 channels:                    | 0..23 0..7 | 8..23 0..15 | 16..23 0..23 |    three phases
//
// Takes any layer: words where bytes would not add exactly.
#pragma once

#include <optional>
#include <vector>

#include "runtime/kernel_registry.h"
#include "runtime/native/code_planes.h"
#include "runtime/native/int_packing.h"

namespace edgesmith::runtime::native {

class DepthwiseRuns {
 public:
  /// The layer `layer` of the convolution `form.node`.
  DepthwiseRuns(const integer::WeightLayer& layer, const integer::Form& form, const IntTable& table);

  /// A band of padded rows, the columns apart by their remainder when they are strided, and where the taps lie in it.
  CodeGeometry geometry(const PlaneWindow& window, const ir::Dims& input) const;
  int64_t scratch_bytes(const CodeBand& band) const;
  /// Operand 0 and the result of `call` are codes, channels last.
  void run(const KernelCall& call, const CodeGeometry& geometry) const;

 private:
  int64_t block() const { return 4 * table_->lanes; }
  int64_t taps_of_group() const { return words_ ? 2 : 4; }
  int64_t taps() const { return kernel_height_ * kernel_width_; }
  int64_t outputs_of_run(const PlaneWindow& window) const { return rows_ ? window.out_width * channels_ : channels_; }
  bool pairs_safe(const integer::WeightLayer& layer) const;
  std::optional<int64_t> channel_of(int64_t phase, int64_t lane) const;
  void pack(const integer::WeightLayer& layer);
  void store_fixed_point(const IntDepthwise& job) const;

  const IntTable* table_;
  int64_t channels_, kernel_height_, kernel_width_;
  bool words_;
  bool rows_;  // a run is a row of outputs; else a pixel
  int64_t phases_, groups_;
  StoredCodes input_;
  CodeStore store_;
  AlignedBytes64 weights_;      // as IntDepthwise has them
  std::vector<int32_t> start_;  // [phases][4 vectors][lanes]
  std::vector<float> scale_;
  std::optional<integer::Requantize> fixed_point_;  // makes codes instead of scale and store
};

}  // namespace edgesmith::runtime::native
