// SPDX-License-Identifier: Apache-2.0
#include "data/pipeline.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <limits>

#include "data/convert.h"
#include "edgesmith/data/preprocess.h"

namespace edgesmith::data {
namespace {

using ir::DType;

// The picture in a uint8 tensor [1,H,W], [1,H,W,C] or [1,C,H,W] with 1 or 3 channels; nullopt: it is none.
std::optional<Image> image_of(const ir::Tensor& tensor) {
  if (tensor.dtype() != DType::u8 || tensor.rank() < 3 || tensor.rank() > 4 || tensor.dims()[0] != 1)
    return std::nullopt;
  const auto pixels = tensor.data<uint8_t>();
  const ir::Dims& dims = tensor.dims();
  if (tensor.rank() == 3) return Image{dims[2], dims[1], 1, {pixels.begin(), pixels.end()}};
  const auto is_channels = [](int64_t dim) { return dim == 1 || dim == 3; };
  if (is_channels(dims[3])) return Image{dims[2], dims[1], static_cast<int>(dims[3]), {pixels.begin(), pixels.end()}};
  if (!is_channels(dims[1])) return std::nullopt;
  Image image{dims[3], dims[2], static_cast<int>(dims[1]), std::vector<uint8_t>(pixels.size())};
  const size_t plane = pixels.size() / static_cast<size_t>(image.channels);
  for (size_t i = 0; i < pixels.size(); ++i) {
    image.pixels[i % plane * static_cast<size_t>(image.channels) + i / plane] = pixels[i];
  }
  return image;
}

ir::Dims without_ones(const ir::Dims& dims) {
  ir::Dims out;
  for (size_t i = 1; i < dims.size(); ++i) {
    if (dims[i] != 1) out.push_back(dims[i]);
  }
  return out;
}

double at_channel(const std::vector<double>& values, size_t channel, double absent) {
  if (values.empty()) return absent;
  return values.size() == 1 ? values[0] : values[channel];
}

}  // namespace

Result<Pipeline> Pipeline::make(const ModelInput& input, const Preprocess& preprocess) {
  EDGESMITH_TRY(check_preprocess(preprocess));
  Pipeline pipeline;
  pipeline.input_ = input;
  pipeline.preprocess_ = preprocess;
  pipeline.nhwc_ = takes_nhwc(input, preprocess);
  pipeline.arithmetic_ = preprocess.scale != 1 || !preprocess.mean.empty() || !preprocess.std.empty();
  pipeline.geometry_ = !preprocess.color.empty() || preprocess.crop_fraction > 0 || preprocess.resize_short > 0 ||
                       !preprocess.resize_to.empty() || preprocess.crop > 0;
  const DType dtype = input.type.dtype;
  if (pipeline.arithmetic_ && dtype != DType::undefined && !ir::is_float(dtype)) {
    return usage_error("preprocessing of input '" + input.name + "': scale, mean and std do not apply to " +
                           std::string(ir::dtype_name(dtype)),
                       "leave them out");
  }
  return pipeline;
}

bool Pipeline::takes_nhwc(const ModelInput& input, const Preprocess& preprocess) {
  if (preprocess.layout == "nhwc" || input.type.rank() != 4) return preprocess.layout == "nhwc";
  // Nothing was said of the layout, and only one can be meant: the channels of a picture are 1 or 3.
  const auto is_channels = [](const ir::Dim& dim) { return dim.known() && (dim.value() == 1 || dim.value() == 3); };
  const ir::Shape& shape = *input.type.shape;
  return is_channels(shape[3]) && shape[1].known() && !is_channels(shape[1]);
}

Result<ir::Tensor> Pipeline::run(const RawInput& raw, const std::string& name, int64_t* resize_nanoseconds) const {
  if (const Image* image = std::get_if<Image>(&raw)) return run_image(*image, name, resize_nanoseconds);
  const ir::Tensor& tensor = std::get<ir::Tensor>(raw);
  if (tensor.dtype() == DType::string) return unsupported_error(name + ": text is not supported as data");
  if (!input_.batched) return finish(tensor, name);
  if (tensor.rank() >= 3 && tensor.dtype() == DType::u8 && (geometry_ || !matching_dims(tensor.dims()))) {
    if (auto image = image_of(tensor)) return run_image(std::move(*image), name, resize_nanoseconds);
  }
  if (geometry_) {
    return usage_error(
        name + ": color, resize and crop apply to pictures, and " + tensor.type().text() + " is none",
        "give uint8 [N,H,W,C], or declare what these data need ([preprocess] with nothing in it: nothing)");
  }
  return run_tensor(tensor, name);
}

int64_t Pipeline::wanted_channels() const {
  if (input_.type.rank() != 4) return input_.type.rank() == 3 ? 1 : -1;
  return (*input_.type.shape)[nhwc_ ? 3 : 1].value();
}

Result<Image> Pipeline::shape_image(Image image, const std::string& name) const {
  const int64_t wanted = wanted_channels();
  const std::string color = !preprocess_.color.empty() ? preprocess_.color
                            : wanted == 1              ? "gray"
                            : wanted == 3              ? "rgb"
                                                       : "";
  if (color == "gray") image = to_gray(image);
  if (color == "rgb" || color == "bgr") image = to_rgb(image);
  if (color == "bgr") image = swap_red_blue(image);
  const auto shorter = [&] { return std::min(image.width, image.height); };
  if (preprocess_.crop_fraction > 0) {
    // The small addend keeps a product like 0.7 * 10 at 7.
    const auto side = static_cast<int64_t>(preprocess_.crop_fraction * static_cast<double>(shorter()) + 1e-9);
    image = crop_centre(image, std::max<int64_t>(1, side), std::max<int64_t>(1, side));
  }
  if (preprocess_.resize_short > 0 && shorter() != preprocess_.resize_short) {
    const int64_t to = preprocess_.resize_short;
    const bool upright = image.height > image.width;
    const int64_t longer = to * std::max(image.width, image.height) / shorter();
    if (longer * to > kMaxPixels) {
      return invalid_error(name + ": a picture of " + std::to_string(image.width) + " x " +
                           std::to_string(image.height) + " pixels is too slim to resize its shorter side to " +
                           std::to_string(to));
    }
    image = resize_image(image, upright ? longer : to, upright ? to : longer, preprocess_.filter);
  }
  if (!preprocess_.resize_to.empty()) {
    image = resize_image(image, preprocess_.resize_to[0], preprocess_.resize_to[1], preprocess_.filter);
  }
  if (preprocess_.crop > 0) {
    if (shorter() < preprocess_.crop) {
      return invalid_error(name + ": a picture of " + std::to_string(image.width) + " x " +
                               std::to_string(image.height) +
                               " pixels is smaller than crop = " + std::to_string(preprocess_.crop),
                           "resize it first: resize = { short = ... }");
    }
    image = crop_centre(image, preprocess_.crop, preprocess_.crop);
  }
  return image;
}

Status Pipeline::check_channels(int64_t channels, const std::string& name) const {
  const std::pair<const char*, const std::vector<double>&> lists[] = {{"mean", preprocess_.mean},
                                                                      {"std", preprocess_.std}};
  for (const auto& [key, values] : lists) {
    if (values.size() > 1 && static_cast<int64_t>(values.size()) != channels) {
      return usage_error(name + ": " + key + " has " + std::to_string(values.size()) + " values, the data have " +
                             std::to_string(channels) + " channels",
                         "give one for each channel, or a single one");
    }
  }
  return {};
}

Result<ir::Tensor> Pipeline::run_image(Image raw, const std::string& name, int64_t* resize_nanoseconds) const {
  const auto start = std::chrono::steady_clock::now();
  auto shaped = shape_image(std::move(raw), name);
  if (!shaped) return shaped.error();
  if (resize_nanoseconds != nullptr) {
    *resize_nanoseconds += std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count();
  }
  const Image& image = *shaped;
  EDGESMITH_TRY(check_channels(image.channels, name));
  const auto channels = static_cast<size_t>(image.channels), plane = image.pixels.size() / channels;
  const ir::Dims dims = nhwc_ ? ir::Dims{1, image.height, image.width, image.channels}
                              : ir::Dims{1, image.channels, image.height, image.width};
  const auto place = [&](size_t pixel, size_t channel) {
    return nhwc_ ? pixel * channels + channel : channel * plane + pixel;
  };
  if (!ir::is_float(input_.type.dtype) && input_.type.dtype != DType::undefined) {
    ir::Tensor tensor = ir::Tensor::zeros(DType::u8, dims);
    const auto out = tensor.mutable_data<uint8_t>();
    for (size_t i = 0; i < image.pixels.size(); ++i) out[place(i / channels, i % channels)] = image.pixels[i];
    return finish(std::move(tensor), name);
  }
  ir::Tensor tensor = ir::Tensor::zeros(DType::f32, dims);
  const auto out = tensor.mutable_data<float>();
  for (size_t c = 0; c < channels; ++c) {
    std::array<float, 256> table;
    const auto scale = static_cast<float>(preprocess_.scale);
    const auto mean = static_cast<float>(at_channel(preprocess_.mean, c, 0));
    const auto deviation = static_cast<float>(at_channel(preprocess_.std, c, 1));
    for (size_t v = 0; v < table.size(); ++v) table[v] = (static_cast<float>(v) * scale - mean) / deviation;
    for (size_t i = 0; i < plane; ++i) out[place(i, c)] = table[image.pixels[i * channels + c]];
  }
  return finish(std::move(tensor), name);
}

Result<ir::Tensor> Pipeline::run_tensor(const ir::Tensor& tensor, const std::string& name) const {
  if (!arithmetic_) return finish(tensor, name);
  const auto dims = matching_dims(tensor.dims());
  if (!dims) return shape_error(tensor, name);
  const size_t axis = dims->size() < 2 ? 0 : nhwc_ ? dims->size() - 1 : 1;
  const int64_t channels = dims->size() < 2 ? 1 : (*dims)[axis];
  EDGESMITH_TRY(check_channels(channels, name));
  ir::Tensor out = ir::Tensor::of<float>(*dims, tensor.to_floats());
  const auto values = out.mutable_data<float>();
  size_t inner = 1;
  for (size_t i = axis + 1; i < dims->size(); ++i) inner *= static_cast<size_t>((*dims)[i]);
  const auto scale = static_cast<float>(preprocess_.scale);
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t channel = i / inner % static_cast<size_t>(channels);
    const auto mean = static_cast<float>(at_channel(preprocess_.mean, channel, 0));
    const auto deviation = static_cast<float>(at_channel(preprocess_.std, channel, 1));
    values[i] = (values[i] * scale - mean) / deviation;
  }
  return finish(std::move(out), name);
}

std::optional<ir::Dims> Pipeline::matching_dims(const ir::Dims& dims) const {
  if (fits(dims, input_.type, input_.batched)) return dims;
  if (!input_.batched || !input_.type.has_rank() || dims.empty()) return std::nullopt;
  ir::Dims wanted = {1};
  for (size_t i = 1; i < input_.type.shape->size(); ++i) {
    if (!(*input_.type.shape)[i].known()) return std::nullopt;
    wanted.push_back((*input_.type.shape)[i].value());
  }
  const bool same = without_ones(dims) == without_ones(wanted);
  const bool flat = wanted.size() == 2 && ir::num_elements(wanted) == ir::num_elements(dims);
  if (!same && !flat) return std::nullopt;
  return wanted;
}

Error Pipeline::shape_error(const ir::Tensor& tensor, const std::string& name) const {
  ir::Type have = tensor.type();
  if (input_.batched && have.rank() > 0) (*have.shape)[0] = ir::Dim(std::string("N"));
  return invalid_error(
      name + ": a sample is " + have.text() + ", the model's input '" + input_.name + "' takes " + input_.type.text(),
      "check the data's shape, and resize, crop and layout of [preprocess]");
}

Result<ir::Tensor> Pipeline::finish(ir::Tensor tensor, const std::string& name) const {
  const auto dims = matching_dims(tensor.dims());
  if (!dims) return shape_error(tensor, name);
  if (*dims != tensor.dims()) tensor = tensor.reshaped(*dims);
  auto converted = convert_to(tensor, input_.type.dtype);
  if (!converted) return converted.error().in(name + ": input '" + input_.name + "'");
  if (const int64_t at = first_not_finite(*converted); at >= 0) {
    return invalid_error(name + ": NaN or Inf at element " + std::to_string(at) + " for input '" + input_.name + "'",
                         "clean the data");
  }
  return converted;
}

}  // namespace edgesmith::data
