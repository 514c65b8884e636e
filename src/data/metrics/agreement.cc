// SPDX-License-Identifier: Apache-2.0
// Share of the original model's answers that stay the same. The answer is the arg-max of the first output over its
// classes: the last axis, or axis 1 of [N,C,H,W], for every position there is. Integer outputs are answers themselves.
#include <cmath>

#include "data/metrics/metrics.h"

namespace edgesmith::data {
namespace {

double equal_share(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  size_t equal = 0;
  for (size_t i = 0; i < a.size(); ++i) equal += a[i] == b[i] ? 1 : 0;
  return a.empty() ? 1 : static_cast<double>(equal) / static_cast<double>(a.size());
}

// The arg-max at every position; -1 where a score is NaN.
std::vector<int64_t> answers(const ir::Tensor& scores, size_t axis) {
  const std::vector<float> values = scores.to_floats();
  const auto classes = static_cast<size_t>(scores.dims()[axis]);
  size_t inner = 1;
  for (size_t i = axis + 1; i < scores.dims().size(); ++i) inner *= static_cast<size_t>(scores.dims()[i]);
  std::vector<int64_t> found;
  std::vector<float> at(classes);
  for (size_t block = 0; block < values.size() / std::max<size_t>(1, classes * inner); ++block) {
    for (size_t i = 0; i < inner; ++i) {
      for (size_t c = 0; c < classes; ++c) at[c] = values[(block * classes + c) * inner + i];
      found.push_back(arg_max(at));
    }
  }
  return found;
}

Status sample_agreement(std::span<const ir::Tensor> outputs, std::span<const ir::Tensor> reference, const Sample&,
                        std::span<double> numbers) {
  if (outputs.empty() || reference.empty()) return invalid_error("the model has no outputs");
  const ir::Tensor &have = outputs[0], &want = reference[0];
  if (have.dims() != want.dims()) {
    return invalid_error("the first output is " + have.type().text() + ", the reference's is " + want.type().text());
  }
  if (ir::is_integer(want.dtype()) || want.dtype() == ir::DType::boolean) {
    numbers[0] = equal_share(have.to_int64s(), want.to_int64s());
    return {};
  }
  const size_t axis = want.rank() >= 4 ? 1 : static_cast<size_t>(std::max(want.rank() - 1, 0));
  if (want.rank() == 0 || want.dims()[axis] < 2) {
    return unsupported_error("agreement needs at least two classes, the first output is " + want.type().text(),
                             "use cosine or sqnr");
  }
  numbers[0] = equal_share(answers(have, axis), answers(want, axis));
  return {};
}

}  // namespace

MetricInfo agreement() {
  return {"agreement",
          "share of the original model's answers (arg-max) that stay the same, in percent",
          "%",
          true,
          false,
          true,
          1,
          sample_agreement,
          mean_percent_of};
}

}  // namespace edgesmith::data
