// SPDX-License-Identifier: Apache-2.0
#include "train/weights.h"

#include <algorithm>
#include <cmath>

#include "train/code_bits.h"

namespace edgesmith::train {
namespace {

// Elements that are worth a thread's trip.
constexpr size_t kPiece = 8192;
// Relative rates: that of numbers that are all zero, and how much slower the steps of grids go than the weights.
constexpr double kSizeOfZeros = 0.01, kStepsBesideWeights = 0.1;

// Root mean square of the numbers that are not zero: of masked weights those that are there.
double size_of(std::span<const float> numbers) {
  double sum = 0, count = 0;
  for (const float number : numbers) {
    sum += static_cast<double>(number) * static_cast<double>(number);
    count += number != 0 ? 1 : 0;
  }
  return count > 0 ? std::sqrt(sum / count) : 0;
}

}  // namespace

Result<std::unique_ptr<Weights>> Weights::create(const TrainingGraph& training, const Settings& settings,
                                                 ThreadPool& pool) {
  std::unique_ptr<Weights> weights(new Weights(training, settings, pool));
  for (const Parameter& parameter : training.parameters) weights->views_.push_back(parameter.value.dense());
  weights->slots_.resize(training.trained.size());
  for (size_t k = 0; k < training.trained.size(); ++k) {
    Slot& slot = weights->slots_[k];
    slot.parameter = training.trained[k];
    const Parameter& parameter = training.parameters[slot.parameter];
    if (parameter.value.dtype() != ir::DType::f32) {
      return unsupported_error(
          "weight '" + parameter.name + "' is " + parameter.value.type().text() + ": only float32 is trained",
          "freeze it with --freeze " + parameter.name);
    }
    slot.value = parameter.value.to_floats();
    slot.gradient.resize(slot.value.size());
    if (settings.ema > 0) slot.mean = slot.value;
    slot.states.assign(static_cast<size_t>(settings.optimizer->num_states), std::vector<float>(slot.value.size()));
    const auto bytes = std::as_bytes(std::span<const float>(slot.value));
    weights->views_[slot.parameter] = ir::Tensor(ir::DType::f32, parameter.value.dims(), bytes, nullptr);
    weights->cut(k);
    if (!settings.optimizer->rotated || parameter.rate != 1 || parameter.value.rank() < 2) continue;
    const int64_t rows = parameter.value.dims()[0];
    if (rows > 0) slot.rotation.emplace(rows, parameter.value.size() / rows);
  }
  return weights;
}

// With relative rates every row of axis 0, an output channel or a codebook, is of its own size; biases and scales of
// norms are vectors of one size; every step of a grid is measured by itself.
void Weights::cut(size_t slot) {
  const std::vector<float>& numbers = slots_[slot].value;
  const Parameter& parameter = training_.parameters[slots_[slot].parameter];
  const bool relative = settings_.optimizer->relative, is_step = parameter.rate != 1;
  size_t row = numbers.size();
  if (relative && is_step) row = 1;
  if (relative && parameter.value.rank() >= 2) {
    row = numbers.size() / static_cast<size_t>(parameter.value.dims()[0]);
  }
  const double all = relative ? size_of(numbers) : 0;
  for (size_t first = 0; first < numbers.size(); first += row) {
    double rate = static_cast<double>(parameter.rate);
    if (relative) {
      rate = size_of(std::span(numbers).subspan(first, row));
      if (rate == 0) rate = all > 0 ? all : kSizeOfZeros;
      if (is_step) rate *= kStepsBesideWeights;
    }
    slots_[slot].row_rates.push_back(rate);
    for (size_t begin = first; begin < first + row; begin += kPiece) {
      pieces_.push_back({slot, begin, std::min(begin + kPiece, first + row), rate});
    }
  }
}

void Weights::add_gradients(std::span<const std::vector<ir::Tensor>> outputs, bool first) {
  pool_.parallel_for(static_cast<int64_t>(pieces_.size()), [&](int64_t index, int) {
    const Piece& piece = pieces_[static_cast<size_t>(index)];
    float* sum = slots_[piece.slot].gradient.data();
    for (size_t shard = 0; shard < outputs.size(); ++shard) {
      const float* part = outputs[shard][training_.loss + 1 + piece.slot].data<float>().data();
      if (first && shard == 0) {
        std::copy(part + piece.begin, part + piece.end, sum + piece.begin);
      } else {
        for (size_t i = piece.begin; i < piece.end; ++i) sum[i] += part[i];
      }
    }
  });
}

double Weights::add_code_bits(double weight, double free) {
  std::vector<Slot*> slots(training_.parameters.size(), nullptr);
  for (Slot& slot : slots_) slots[slot.parameter] = &slot;
  double count = 0;
  for (const Parameter& parameter : training_.parameters) {
    if (parameter.grid != nullptr) count += static_cast<double>(parameter.value.size());
  }
  const auto mean = [&](bool with_gradient) {
    std::vector<double> bits(slots.size(), 0);
    pool_.parallel_for(static_cast<int64_t>(slots.size()), [&](int64_t index, int) {
      const auto p = static_cast<size_t>(index);
      if (training_.parameters[p].grid == nullptr) return;
      std::span<float> gradient;
      if (with_gradient && slots[p] != nullptr) gradient = slots[p]->gradient;
      bits[p] = code_bits(views_[p].data<float>(), views_[p + 1].data<float>(), *training_.parameters[p].grid,
                          weight / count, gradient);
    });
    double total = 0;
    for (const double part : bits) total += part;
    return total / count;
  };
  const double bits = mean(/*with_gradient=*/free == 0);
  return free > 0 && bits > free ? mean(/*with_gradient=*/true) : bits;
}

double Weights::gradient_norm(double scale) const {
  std::vector<double> sums(pieces_.size());
  pool_.parallel_for(static_cast<int64_t>(pieces_.size()), [&](int64_t index, int) {
    const Piece& piece = pieces_[static_cast<size_t>(index)];
    const std::vector<float>& gradient = slots_[piece.slot].gradient;
    double sum = 0;
    for (size_t i = piece.begin; i < piece.end; ++i) {
      sum += static_cast<double>(gradient[i]) * static_cast<double>(gradient[i]);
    }
    sums[static_cast<size_t>(index)] = sum;
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return std::sqrt(total) * scale;
}

void Weights::step(int64_t number, double rate, double scale) {
  const auto factor = static_cast<float>(scale);
  const auto keep = static_cast<float>(settings_.ema);
  const auto step_of = [&](const Slot& slot, double own_rate) {
    const bool decay = training_.parameters[slot.parameter].decay;
    return OptimizerStep{.number = number, .rate = rate * own_rate, .weight_decay = decay ? settings_.weight_decay : 0};
  };
  pool_.parallel_for(static_cast<int64_t>(slots_.size()), [&](int64_t index, int) {
    Slot& slot = slots_[static_cast<size_t>(index)];
    if (!slot.rotation) return;
    for (float& g : slot.gradient) g *= factor;
    step_rotated(slot, step_of(slot, 1));
  });
  pool_.parallel_for(static_cast<int64_t>(pieces_.size()), [&](int64_t index, int) {
    const Piece& piece = pieces_[static_cast<size_t>(index)];
    Slot& slot = slots_[piece.slot];
    const size_t count = piece.end - piece.begin;
    const std::span<float> value(slot.value.data() + piece.begin, count);
    if (!slot.rotation) {
      const std::span<float> gradient(slot.gradient.data() + piece.begin, count);
      for (float& g : gradient) g *= factor;
      std::vector<std::span<float>> states;
      for (std::vector<float>& state : slot.states) states.emplace_back(state.data() + piece.begin, count);
      settings_.optimizer->update(step_of(slot, piece.rate), value, gradient, states);
    }
    if (slot.mean.empty()) return;
    float* mean = slot.mean.data() + piece.begin;
    for (size_t i = 0; i < count; ++i) mean[i] = keep * mean[i] + (1 - keep) * value[i];
  });
}

// Rows in units of their sizes are what is rotated: w = S u, so that du = S dw.
void Weights::step_rotated(Slot& slot, const OptimizerStep& step) {
  const size_t columns = slot.value.size() / slot.row_rates.size();
  for (size_t i = 0; i < slot.value.size(); ++i) {
    slot.gradient[i] *= static_cast<float>(slot.row_rates[i / columns]);
  }
  slot.rotation->learn(step.number, slot.gradient, slot.states[0]);
  slot.rotation->enter(slot.gradient);
  std::vector<float> moved(slot.value.size());
  const std::vector<std::span<float>> states(slot.states.begin(), slot.states.end());
  settings_.optimizer->update(step, moved, slot.gradient, states);
  slot.rotation->leave(moved);
  for (size_t i = 0; i < slot.value.size(); ++i) {
    const double row_rate = slot.row_rates[i / columns];
    const auto keep = static_cast<float>(1 - step.rate * row_rate * step.weight_decay);
    slot.value[i] = keep * slot.value[i] + static_cast<float>(row_rate) * moved[i];
  }
}

std::vector<Parameter> Weights::parameters() const {
  std::vector<Parameter> parameters = training_.parameters;
  for (const Slot& slot : slots_) {
    ir::Tensor& value = parameters[slot.parameter].value;
    value = ir::Tensor::of<float>(value.dims(), slot.mean.empty() ? slot.value : slot.mean);
  }
  return parameters;
}

std::vector<std::vector<float>*> Weights::arrays() {
  std::vector<std::vector<float>*> arrays;
  for (Slot& slot : slots_) {
    arrays.push_back(&slot.value);
    if (!slot.mean.empty()) arrays.push_back(&slot.mean);
    for (std::vector<float>& state : slot.states) arrays.push_back(&state);
    if (!slot.rotation) continue;
    for (std::vector<float>* array : slot.rotation->arrays()) arrays.push_back(array);
  }
  return arrays;
}

std::vector<ir::Tensor> Weights::state() const {
  std::vector<ir::Tensor> state;
  for (const std::vector<float>* array : const_cast<Weights*>(this)->arrays()) {
    state.push_back(ir::Tensor::of<float>({static_cast<int64_t>(array->size())}, *array));
  }
  return state;
}

Status Weights::set_state(std::span<const ir::Tensor> state) {
  const std::vector<std::vector<float>*> own = arrays();
  if (own.size() != state.size()) return invalid_error("it holds other arrays than this training");
  for (size_t i = 0; i < own.size(); ++i) {
    if (state[i].dtype() != ir::DType::f32 || state[i].size() != static_cast<int64_t>(own[i]->size())) {
      return invalid_error("it holds arrays of other sizes than this training");
    }
  }
  for (size_t i = 0; i < own.size(); ++i) {
    const std::span<const float> numbers = state[i].data<float>();
    std::copy(numbers.begin(), numbers.end(), own[i]->begin());  // in place: views of it are out
  }
  return {};
}

}  // namespace edgesmith::train
