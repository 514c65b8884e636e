// SPDX-License-Identifier: Apache-2.0
// Weights that are integer codes: what is trained are the reals behind them, and the steps of their grids.
#include <algorithm>
#include <cmath>

#include "train/grid.h"
#include "train/weight_form.h"

namespace edgesmith::train {
namespace {

// Codes of zero are a mask only where they are so many times as frequent as their two neighbours together: rounding
// alone does not make them so.
constexpr double kBesideNeighbours = 2;
constexpr int kFewestBits = 2;

// Which step belongs to which weight, and the dims with which steps broadcast.
struct Layout {
  ir::Dims weights;  // blocks have an axis of their own
  ir::Dims steps;

  Layout(const ir::Dims& dims, const ir::Quant& quant) : weights(dims) {
    if (quant.per_tensor()) return;
    const auto axis = static_cast<size_t>(quant.axis);
    if (quant.block_size <= 0) {
      steps.assign(dims.size(), 1);
      steps[axis] = dims[axis];
      return;
    }
    weights[axis] /= quant.block_size;
    weights.insert(weights.begin() + quant.axis + 1, quant.block_size);
    steps = weights;
    steps[axis + 1] = 1;
  }

  // By weight: the place of its step.
  std::vector<size_t> places() const {
    std::vector<size_t> out(static_cast<size_t>(ir::num_elements(weights)), 0);
    if (steps.empty()) return out;
    for (size_t i = 0; i < out.size(); ++i) {
      size_t rest = i, stride = 1, place = 0;
      for (size_t d = weights.size(); d-- > 0;) {
        const auto size = static_cast<size_t>(weights[d]);
        if (steps[d] > 1) place += rest % size * stride;
        stride *= static_cast<size_t>(steps[d]);
        rest /= size;
      }
      out[i] = place;
    }
    return out;
  }
};

class CodeForm : public WeightForm {
 public:
  CodeForm(const ir::Tensor& constant, bool keep_zeros)
      : constant_(constant),
        layout_(constant.dims(), constant.quant()),
        places_(layout_.places()),
        codes_(constant.codes().to_int64s()) {
    for (size_t i = 0; i < codes_.size(); ++i) codes_[i] -= constant.quant().zero_point[places_[i]];
    find_bounds();
    if (keep_zeros) find_mask();
  }

  std::vector<Parameter> parameters(const std::string& name) const override {
    const int64_t shared = constant_.size() / static_cast<int64_t>(scales().size());
    const float high = *std::max_element(bounds_.high.begin(), bounds_.high.end());
    return {{.name = name,
             .value = ir::Tensor::of<float>(constant_.dims(), constant_.to_floats()),
             .decay = true,
             .grid = std::make_shared<CodeGrid>(CodeGrid{places_, bounds_, scales()})},
            {.name = name + ".step", .value = start(), .rate = step_rate(shared, high)}};
  }

  ir::Value& build(NodeMaker& maker, const std::vector<ir::Value*>& inputs) const override {
    ir::Value* weight = inputs[0];
    if (!mask_.empty()) {
      weight = &maker.make(ir::OpKind::mul, {weight, &maker.constant(ir::Tensor::of<float>(constant_.dims(), mask_))});
    }
    const bool blocks = layout_.weights.size() > constant_.dims().size();
    if (blocks) weight = &reshaped(maker, *weight, layout_.weights);
    ir::Value& step = build_step(maker, *inputs[1], start());
    weight = &build_grid(maker, *weight, step, bounds_, layout_.steps);
    return blocks ? reshaped(maker, *weight, constant_.dims()) : *weight;
  }

  ir::Tensor restore(const std::vector<ir::Tensor>& values) const override {
    const std::vector<float> reals = values[0].to_floats(), learned = values[1].to_floats();
    ir::Quant quant = constant_.quant();
    for (size_t s = 0; s < learned.size(); ++s) quant.scale[s] = used_step(learned[s], scales()[s]);
    quant.method = "learned";
    std::vector<int64_t> codes;
    for (size_t i = 0; i < reals.size(); ++i) {
      const size_t s = places_[i];
      const bool gone = !mask_.empty() && mask_[i] == 0;
      const float code = gone ? 0 : grid_code(reals[i], quant.scale[s], bounds_.low[s], bounds_.high[s]);
      codes.push_back(static_cast<int64_t>(code) + quant.zero_point[s]);
    }
    return ir::Tensor::affine(pack_codes(codes, quant.dtype, constant_.dims()), std::move(quant));
  }

 private:
  const std::vector<float>& scales() const { return constant_.quant().scale; }
  ir::Tensor start() const { return ir::Tensor::of<float>(layout_.steps, scales()); }

  static ir::Value& reshaped(NodeMaker& maker, ir::Value& value, const ir::Dims& dims) {
    const std::vector<int64_t> shape(dims.begin(), dims.end());
    return maker.make(ir::OpKind::reshape,
                      {&value, &maker.constant(ir::Tensor::of<int64_t>({static_cast<int64_t>(shape.size())}, shape))});
  }

  // Codes may take fewer bits than their type: the bounds are those of as many bits as all of them need. Symmetric ones
  // reach one further down, or in some channels up (as the quantize pass makes them); those of 8 bits as far as they do
  // now, which may be a rule of the target.
  void find_bounds() {
    const ir::Quant& quant = constant_.quant();
    const auto count = quant.scale.size();
    std::vector<int64_t> least(count, 0), most(count, 0);
    for (size_t i = 0; i < codes_.size(); ++i) {
      least[places_[i]] = std::min(least[places_[i]], codes_[i]);
      most[places_[i]] = std::max(most[places_[i]], codes_[i]);
    }
    const int type_bits = ir::dtype_bits(quant.dtype);
    const bool with_sign = ir::min_code(quant.dtype) < 0;
    const bool symmetric = with_sign && std::all_of(quant.zero_point.begin(), quant.zero_point.end(),
                                                    [](int32_t zero) { return zero == 0; });
    int bits = kFewestBits;
    const auto fits = [&](size_t s) {
      const int64_t half = int64_t{1} << (bits - 1);
      if (symmetric) return std::max(-least[s], most[s]) <= half && most[s] - least[s] < 2 * half;
      if (with_sign) return false;
      return most[s] + quant.zero_point[s] < 2 * half && quant.zero_point[s] < 2 * half;
    };
    while (bits < type_bits) {
      bool all = true;
      for (size_t s = 0; s < count; ++s) all = all && fits(s);
      if (all) break;
      ++bits;
    }
    const int64_t half = int64_t{1} << (bits - 1);
    for (size_t s = 0; s < count; ++s) {
      int64_t low = with_sign ? ir::min_code(quant.dtype) : 0,
              high = with_sign ? ir::max_code(quant.dtype) : 2 * half - 1;
      low -= quant.zero_point[s];
      high -= quant.zero_point[s];
      if (symmetric) {
        const bool up = most[s] == half;
        low = up ? 1 - half : -half;
        high = up ? half : half - 1;
        if (bits == 8) {
          high = std::max(*std::max_element(most.begin(), most.end()),
                          std::min(-*std::min_element(least.begin(), least.end()), int64_t{127}));
          low = std::min(*std::min_element(least.begin(), least.end()), -high);
        }
      }
      bounds_.low.push_back(static_cast<float>(low));
      bounds_.high.push_back(static_cast<float>(high));
    }
  }

  void find_mask() {
    const auto count = [&](int64_t code) {
      return static_cast<double>(std::count(codes_.begin(), codes_.end(), code));
    };
    const double zeros = count(0), size = static_cast<double>(codes_.size());
    if (zeros <= kMaskedShare * size || zeros == size || zeros <= kBesideNeighbours * (count(-1) + count(1))) return;
    for (const int64_t code : codes_) mask_.push_back(code == 0 ? 0.0F : 1.0F);
  }

  ir::Tensor constant_;
  Layout layout_;
  std::vector<size_t> places_;  // by weight
  std::vector<int64_t> codes_;  // by weight, without zero points
  GridBounds bounds_;
  std::vector<float> mask_;  // 0 or 1; empty: none
};

}  // namespace

ir::Tensor pack_codes(const std::vector<int64_t>& codes, ir::DType dtype, const ir::Dims& dims) {
  ir::Tensor tensor = ir::Tensor::zeros(dtype, dims);
  const auto bytes = tensor.mutable_bytes();
  const auto bits = static_cast<size_t>(ir::dtype_bits(dtype));
  for (size_t i = 0; i < codes.size(); ++i) {
    const auto code = static_cast<uint64_t>(codes[i]) & ((uint64_t{1} << bits) - 1);
    for (size_t bit = 0; bit < bits; bit += 8) {
      bytes[(i * bits + bit) / 8] |= static_cast<std::byte>(code >> bit << (i * bits % 8) & 0xFF);
    }
  }
  return tensor;
}

bool has_code_form(const ir::Tensor& constant) {
  if (constant.encoding() != ir::Encoding::affine || constant.as_palette() != nullptr) return false;
  const ir::Quant& quant = constant.quant();
  if (ir::dtype_bits(quant.dtype) > 16) return false;
  if (quant.block_size <= 0) return true;
  return constant.dims()[static_cast<size_t>(quant.axis)] % quant.block_size == 0;
}

std::unique_ptr<WeightForm> code_form(const ir::Tensor& constant, bool keep_zeros) {
  return std::make_unique<CodeForm>(constant, keep_zeros);
}

}  // namespace edgesmith::train
