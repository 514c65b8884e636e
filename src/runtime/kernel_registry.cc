// SPDX-License-Identifier: Apache-2.0
#include "runtime/kernel_registry.h"

#include <array>

#include "runtime/integer/plain.h"
#include "runtime/native/kernels.h"
#if EDGESMITH_ONEDNN
#include "runtime/onednn/kernels.h"
#endif

namespace edgesmith::runtime {

namespace {

// Best first for each operator.
constexpr std::array kKernels = {
    &native::kDepthwiseConvF32,
    &native::kWinogradConvF32,
    &native::kPointwiseConvF32,
    &native::kConvF32,
    &native::kWinogradConvTransposeF32,
    &native::kConvTransposeF32,
    &native::kWinogradWeightGradientF32,
    &native::kDepthwiseWeightGradientF32,
    &native::kConvWeightGradientF32,
    &native::kGemmF32,
    &native::kMatMulF32,
    &native::kMaxPoolF32,
    &native::kAveragePoolF32,
    &native::kGlobalAveragePoolF32,
    &native::kGlobalMaxPoolF32,
    &native::kMaxPoolGradientF32,
    &native::kAveragePoolGradientF32,
    &native::kAddF32,
    &native::kSubF32,
    &native::kMulF32,
    &native::kDivF32,
    &native::kMaxF32,
    &native::kMinF32,
    &native::kReluF32,
    &native::kClipF32,
    &native::kLeakyReluF32,
    &native::kHardSigmoidF32,
    &native::kHardSwishF32,
    &native::kExpF32,
    &native::kLogF32,
    &native::kSigmoidF32,
    &native::kTanhF32,
    &native::kErfF32,
    &native::kSqrtF32,
    &native::kReciprocalF32,
    &native::kAbsF32,
    &native::kNegF32,
    &native::kEluF32,
    &native::kGeluF32,
    &native::kPowF32,
    &native::kSoftmaxF32,
    &native::kLogSoftmaxF32,
    &native::kReduceMeanF32,
    &native::kReduceSumF32,
    &native::kSumOverChannelF32,
    &native::kReduceMaxF32,
    &native::kReduceSumSquareF32,
    &native::kReduceL2F32,
    &native::kBatchNormalizationF32,
    &native::kConvIntegerI8,
    &native::kMatMulIntegerI8,
    &native::kQuantizeLinearI8,
    &native::kDequantizeLinearI8,
    &native::kDynamicQuantizeLinearI8,
    &native::kLayerNormalizationF32,
    &native::kRmsNormalizationF32,
    &native::kInstanceNormalizationF32,
    &native::kGroupNormalizationF32,
    &native::kNormalizationGradientF32,
    &native::kAttentionF32,
    &native::kLstmF32,
    &native::kGruF32,
    &native::kRnnF32,
    &native::kConcatF32,
    &native::kExpandF32,
    &native::kGateF32,
    &native::kWhereF32,
    &native::kGreaterF32,
    &native::kGreaterOrEqualF32,
    &native::kLessF32,
    &native::kLessOrEqualF32,
    &native::kEqualF32,
    &native::kGreaterIntegers,
    &native::kGreaterOrEqualIntegers,
    &native::kLessIntegers,
    &native::kLessOrEqualIntegers,
    &native::kEqualIntegers,
    &native::kAnd,
    &native::kGatherF32,
    &native::kGatherGradientF32,
    &native::kIdentityF32,
    &native::kCastF32,
    &native::kCastToF32,
    &native::kPadF32,
    &native::kResizeF32,
    &native::kSliceF32,
    &native::kSplitF32,
    &native::kTransposeF32,
#if EDGESMITH_ONEDNN
    &onednn::kConvF32,
    &onednn::kGemmF32,
#endif
    &native::kDepthwiseConvI8,
    &native::kConvI8,
    &native::kGemmI8,
    &native::kMatMulI8,
    &native::kMaxPoolI8,
    &native::kAveragePoolI8,
    &native::kGlobalAveragePoolI8,
    &native::kAddI8,
    &native::kConcatI8,
    &native::kPadI8,
    &native::kSliceI8,
    &native::kTransposeI8,
    &native::kLookupI8,
};

bool takes(const Kernel& kernel, const ir::Node& node, Isa isa, bool reassociate) {
  if (kernel.op != node.op() || kernel.supports == nullptr) return false;
  if (kernel.reassociates && !reassociate) return false;
  return allows(isa, kernel.isa) && kernel.supports(node) &&
         (kernel.unavailable == nullptr || kernel.unavailable().empty());
}

bool takes(const Kernel& kernel, const integer::Form& form, Isa isa) {
  if (kernel.supports_form == nullptr || (kernel.op && *kernel.op != form.node->op())) return false;
  if (form.real_result && !kernel.real_results) return false;
  return allows(isa, kernel.isa) && kernel.supports_form(form);
}

bool prefers(const Kernel& kernel, const ir::Node& node) { return kernel.prefers == nullptr || kernel.prefers(node); }

}  // namespace

std::span<const Kernel* const> all_kernels() { return kKernels; }

std::string full_name(const Kernel& kernel) { return std::string(kernel.provider) + "." + std::string(kernel.name); }

std::vector<const Kernel*> kernels_for(const ir::Node& node, Isa isa, bool reassociate) {
  std::vector<const Kernel*> out, others;
  for (const Kernel* kernel : kKernels) {
    if (takes(*kernel, node, isa, reassociate)) (prefers(*kernel, node) ? out : others).push_back(kernel);
  }
  out.insert(out.end(), others.begin(), others.end());
  return out;
}

std::vector<const Kernel*> kernels_for(const integer::Form& form, Isa isa) {
  std::vector<const Kernel*> out;
  for (const Kernel* kernel : kKernels) {
    if (takes(*kernel, form, isa)) out.push_back(kernel);
  }
  for (const Kernel& kernel : integer::plain_kernels()) {
    if (takes(kernel, form, isa)) out.push_back(&kernel);
  }
  return out;
}

const Kernel* find_kernel(const ir::Node& node, Isa isa, bool reassociate) {
  for (const Kernel* kernel : kKernels) {
    if (takes(*kernel, node, isa, reassociate) && prefers(*kernel, node)) return kernel;
  }
  return nullptr;
}

const Kernel* find_kernel(const integer::Form& form, Isa isa, bool reference) {
  for (const Kernel* kernel : kKernels) {
    if (!reference && takes(*kernel, form, isa)) return kernel;
  }
  for (const Kernel& kernel : integer::plain_kernels()) {
    if (takes(kernel, form, isa)) return &kernel;
  }
  return nullptr;
}

}  // namespace edgesmith::runtime
