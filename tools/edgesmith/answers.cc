// SPDX-License-Identifier: Apache-2.0
#include "answers.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "edgesmith/base/text.h"
#include "numbers.h"

namespace edgesmith::cli {
namespace {

constexpr size_t kTop = 5;
/// So many numbers are shown one by one: of more, people look for the largest.
constexpr int64_t kFew = 8;

/// Part `index` of `count` along axis 0; invalid where axis 0 is not the sample.
ir::Tensor part(const ir::Tensor& whole, int64_t index, int64_t count) {
  if (count == 1) return whole;
  if (whole.rank() == 0 || whole.dims()[0] != count || ir::dtype_bits(whole.dtype()) < 8) return {};
  ir::Dims dims = whole.dims();
  dims[0] = 1;
  ir::Tensor one = ir::Tensor::zeros(whole.dtype(), dims);
  const size_t bytes = one.mutable_bytes().size();
  if (bytes > 0) {
    std::memcpy(one.mutable_bytes().data(), whole.bytes().data() + static_cast<size_t>(index) * bytes, bytes);
  }
  return one;
}

std::string name_of(const std::vector<std::string>& classes, int64_t index) {
  const auto at = static_cast<size_t>(index);
  return index >= 0 && at < classes.size() ? classes[at] : "";
}

/// The largest first; of equal ones, as in the metric top5, the first.
std::vector<ClassScore> top_scores(const std::vector<float>& scores, const std::vector<std::string>& classes) {
  std::vector<int64_t> order(scores.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  const size_t shown = std::min(kTop, order.size());
  const auto score = [&](int64_t i) { return scores[static_cast<size_t>(i)]; };
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(shown), order.end(),
                    [&](int64_t a, int64_t b) { return score(a) != score(b) ? score(a) > score(b) : a < b; });
  std::vector<ClassScore> top;
  for (size_t i = 0; i < shown; ++i) top.push_back({order[i], name_of(classes, order[i]), score(order[i])});
  return top;
}

OutputAnswer describe(const std::string& name, const ir::Tensor& answer, const std::vector<std::string>& classes) {
  OutputAnswer result{.name = name, .dims = answer.dims()};
  if (answer.dtype() == ir::DType::string) {
    const auto texts = answer.string_data();
    if (answer.size() <= kFew) result.texts.assign(texts.begin(), texts.end());
    return result;
  }
  const std::vector<float> numbers = answer.to_floats();
  const auto nans = std::count_if(numbers.begin(), numbers.end(), [](float x) { return std::isnan(x); });
  const auto wide = std::count_if(answer.dims().begin(), answer.dims().end(), [](int64_t dim) { return dim != 1; });
  const bool named = numbers.size() > 1 && classes.size() >= numbers.size();
  if (wide <= 1 && nans == 0 && ir::is_float(answer.dtype()) && (answer.size() > kFew || named)) {
    result.top = top_scores(numbers, classes);
  } else if (answer.size() <= kFew) {
    result.numbers = numbers;
  } else if (nans > 0) {
    result.nans = nans;
  } else {
    const auto [least, most] = std::minmax_element(numbers.begin(), numbers.end());
    const double sum = std::accumulate(numbers.begin(), numbers.end(), 0.0);
    result.range = {*least, *most, sum / static_cast<double>(numbers.size())};
  }
  return result;
}

std::string short_number(double value) { return number("%.4g", value); }

std::string line_of(const OutputAnswer& answer) {
  std::vector<std::string> words = answer.texts;
  for (const ClassScore& score : answer.top) {
    const std::string name = score.name.empty() ? "class " + std::to_string(score.index) : score.name;
    words.push_back(name + " " + short_number(score.value));
  }
  for (const float value : answer.numbers) words.push_back(short_number(value));
  if (!words.empty()) return join(words, ", ");
  for (const int64_t dim : answer.dims) words.push_back(std::to_string(dim));
  std::string text = "[" + join(words, ",") + "]";
  if (answer.nans > 0) text += ", NaN " + std::to_string(answer.nans) + " times";
  if (answer.range) {
    text += ", min " + short_number(answer.range->min) + ", mean " + short_number(answer.range->mean) + ", max " +
            short_number(answer.range->max);
  }
  return text;
}

}  // namespace

Result<std::vector<SampleAnswer>> describe_answers(std::span<const data::NamedArray> arrays, const data::Dataset& data,
                                                   const std::vector<std::string>& classes, int64_t count) {
  std::vector<SampleAnswer> answers;
  for (int64_t i = 0; i < std::min(count, data.size()); ++i) {
    SampleAnswer answer{.sample = data.sample_name(i)};
    if (data.has_labels()) {
      const auto sample = data.sample(i);
      if (!sample) return sample.error();
      answer.label = sample->label;
      answer.label_name = name_of(classes, sample->label);
    }
    for (const data::NamedArray& array : arrays) {
      const ir::Tensor own = part(array.tensor, i, data.size());
      if (own.valid()) answer.outputs.push_back(describe(array.name, own, classes));
    }
    answers.push_back(std::move(answer));
  }
  return answers;
}

std::string unnamed_classes(std::span<const data::NamedArray> arrays, int64_t samples, int64_t names) {
  std::string text;
  for (const data::NamedArray& array : arrays) {
    const ir::Dims& dims = array.tensor.dims();
    if (!ir::is_float(array.tensor.dtype()) || samples == 0 || dims.size() < 2 || dims[0] != samples) continue;
    const auto wide = std::count_if(dims.begin() + 1, dims.end(), [](int64_t dim) { return dim != 1; });
    const int64_t scores = array.tensor.size() / samples;
    if (wide != 1 || scores < 2) continue;
    if (scores == names) return "";
    if (text.empty()) text = "output '" + array.name + "' has " + std::to_string(scores) + " classes";
  }
  return text;
}

std::string answers_text(const std::vector<SampleAnswer>& answers) {
  std::string text;
  for (const SampleAnswer& answer : answers) {
    text += answer.sample;
    if (answer.label >= 0) {
      text += " (label " + (answer.label_name.empty() ? std::to_string(answer.label) : answer.label_name) + ")";
    }
    const bool one = answer.outputs.size() == 1;
    text += answer.outputs.empty() ? "\n" : one ? ": " : ":\n";
    for (const OutputAnswer& output : answer.outputs) {
      text += (one ? "" : "  " + output.name + ": ") + line_of(output) + "\n";
    }
  }
  return text;
}

}  // namespace edgesmith::cli
