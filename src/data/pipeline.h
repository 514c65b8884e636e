// SPDX-License-Identifier: Apache-2.0
// From a raw input to the tensor that a model's input takes: colour, geometry, layout, arithmetic, dtype.
#pragma once

#include <optional>
#include <string>

#include "data/signature.h"
#include "data/source.h"
#include "edgesmith/base/result.h"
#include "edgesmith/data/dataset.h"

namespace edgesmith::data {

class Pipeline {
 public:
  /// Binds `preprocess` to `input`. Errors: usage (arithmetic declared for an integer input).
  static Result<Pipeline> make(const ModelInput& input, const Preprocess& preprocess);

  /// The tensor for the model, batch axis of 1 in front. Errors: invalid (shape, dtype, NaN or Inf), usage (a picture's
  /// preprocessing for something that is none); `name` is the sample's. The time that colour, crop and resize took is
  /// added to `resize_nanoseconds`, which may be null.
  Result<ir::Tensor> run(const RawInput& raw, const std::string& name, int64_t* resize_nanoseconds = nullptr) const;

  const Preprocess& preprocess() const { return preprocess_; }
  /// Whether the last dim of `input` is the channels: as declared, or because only that can be meant.
  static bool takes_nhwc(const ModelInput& input, const Preprocess& preprocess);

 private:
  Result<ir::Tensor> run_image(Image image, const std::string& name, int64_t* resize_nanoseconds) const;
  Result<ir::Tensor> run_tensor(const ir::Tensor& tensor, const std::string& name) const;
  Result<Image> shape_image(Image image, const std::string& name) const;
  Result<ir::Tensor> finish(ir::Tensor tensor, const std::string& name) const;
  Status check_channels(int64_t channels, const std::string& name) const;
  Error shape_error(const ir::Tensor& tensor, const std::string& name) const;
  int64_t wanted_channels() const;
  /// Dims for a tensor whose axes of 1 differ from the model's, or that the model takes flat; nullopt: none fit.
  std::optional<ir::Dims> matching_dims(const ir::Dims& dims) const;

  ModelInput input_;
  Preprocess preprocess_;
  bool nhwc_ = false;
  bool arithmetic_ = false;  ///< scale, mean or std is declared
  bool geometry_ = false;    ///< colour, resize or crop is declared
};

}  // namespace edgesmith::data
