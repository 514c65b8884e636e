// SPDX-License-Identifier: Apache-2.0
// Read from the schemas of ONNX 1.23 (opset 28); tests/oracle/half_types.py compares.
#include "edgesmith/onnx/half_types.h"

#include <algorithm>
#include <array>

#include "onnx/foreign.h"

namespace edgesmith::onnx {
namespace {

using ir::OpKind;

struct Row {
  OpKind op;
  int64_t float16, bfloat16;
};

// Operators that have not both types from opset 1 and 13 on. The schema of MeanVarianceNormalization has both, but the
// function in it, which is how runtimes know the operator, adds constants of float32.
constexpr std::array kRows = {
    Row{OpKind::acos, 1, 22},
    Row{OpKind::acosh, 1, 22},
    Row{OpKind::asin, 1, 22},
    Row{OpKind::asinh, 1, 22},
    Row{OpKind::atan, 1, 22},
    Row{OpKind::atanh, 1, 22},
    Row{OpKind::average_pool, 1, 22},
    Row{OpKind::batch_normalization, 1, 14},
    Row{OpKind::celu, 28, 28},
    Row{OpKind::compress, 1, 28},
    Row{OpKind::conv, 1, 22},
    Row{OpKind::conv_transpose, 1, 22},
    Row{OpKind::cos, 1, 22},
    Row{OpKind::cosh, 1, 22},
    Row{OpKind::cum_sum, 14, 14},
    Row{OpKind::det, 1, 22},
    Row{OpKind::einsum, 1, 28},
    Row{OpKind::elu, 1, 22},
    Row{OpKind::equal, 1, 13},
    Row{OpKind::global_average_pool, 1, 22},
    Row{OpKind::global_lp_pool, 1, 22},
    Row{OpKind::global_max_pool, 1, 22},
    Row{OpKind::greater_or_equal, 1, 16},
    Row{OpKind::grid_sample, 1, 22},
    Row{OpKind::gru, 1, 22},
    Row{OpKind::hard_sigmoid, 1, 22},
    Row{OpKind::hard_swish, 1, 22},
    Row{OpKind::instance_normalization, 1, 22},
    Row{OpKind::is_inf, 20, 20},
    Row{OpKind::leaky_relu, 1, 16},
    Row{OpKind::less_or_equal, 1, 16},
    Row{OpKind::lp_normalization, 1, 22},
    Row{OpKind::lp_pool, 1, 22},
    Row{OpKind::lstm, 1, 22},
    Row{OpKind::max_pool, 1, 22},
    Row{OpKind::max_unpool, 1, 22},
    Row{OpKind::mean_variance_normalization, kNoOpset, kNoOpset},
    Row{OpKind::mish, 1, 22},
    Row{OpKind::negative_log_likelihood_loss, 1, 22},
    Row{OpKind::non_max_suppression, kNoOpset, kNoOpset},
    Row{OpKind::one_hot, 1, kNoOpset},
    Row{OpKind::prelu, 1, 16},
    Row{OpKind::range, 27, 27},
    Row{OpKind::reverse_sequence, 1, 28},
    Row{OpKind::rnn, 1, 22},
    Row{OpKind::roi_align, 1, 22},
    Row{OpKind::round, 1, 22},
    Row{OpKind::selu, 1, 22},
    Row{OpKind::shrink, 1, kNoOpset},
    Row{OpKind::sin, 1, 22},
    Row{OpKind::sinh, 1, 22},
    Row{OpKind::softplus, 1, 22},
    Row{OpKind::softsign, 1, 22},
    Row{OpKind::tan, 1, 22},
    Row{OpKind::thresholded_relu, 1, 22},
    Row{OpKind::top_k, 1, 24},
    Row{OpKind::unique, 1, 28},
    Row{OpKind::where, 1, 16},
};

}  // namespace

int64_t first_opset_of(OpKind op, ir::DType dtype) {
  const auto row = std::find_if(kRows.begin(), kRows.end(), [&](const Row& one) { return one.op == op; });
  if (dtype == ir::DType::f16) return row == kRows.end() ? 1 : row->float16;
  return row == kRows.end() ? 13 : row->bfloat16;
}

bool may_have_type(const ir::Graph& graph, OpKind op, ir::DType dtype) {
  if (dtype != ir::DType::f16 && dtype != ir::DType::bf16) return true;
  const auto* model = foreign_as<ModelForeign>(graph.foreign);
  return first_opset_of(op, dtype) <= std::max(model != nullptr ? model->opset : 0, kHighestOpsetForHalves);
}

}  // namespace edgesmith::onnx
