// SPDX-License-Identifier: Apache-2.0
// The rows of provider "native", one file each (or a file for a family).
#pragma once

#include "runtime/kernel_registry.h"

namespace edgesmith::runtime::native {

extern const Kernel kConvF32, kDepthwiseConvF32, kPointwiseConvF32, kWinogradConvF32, kGemmF32, kMatMulF32;
extern const Kernel kMaxPoolF32, kAveragePoolF32, kGlobalAveragePoolF32, kGlobalMaxPoolF32;
extern const Kernel kAddF32, kSubF32, kMulF32, kDivF32, kMaxF32, kMinF32;
extern const Kernel kReluF32, kClipF32, kLeakyReluF32, kHardSigmoidF32, kHardSwishF32;
extern const Kernel kExpF32, kLogF32, kSigmoidF32, kTanhF32, kErfF32, kSqrtF32, kReciprocalF32, kAbsF32, kNegF32,
    kEluF32, kGeluF32, kPowF32;
extern const Kernel kSoftmaxF32, kLogSoftmaxF32, kReduceMeanF32, kReduceSumF32, kReduceMaxF32, kReduceSumSquareF32,
    kReduceL2F32;
extern const Kernel kBatchNormalizationF32, kNormalizationGradientF32, kAttentionF32;
extern const Kernel kLayerNormalizationF32, kRmsNormalizationF32, kInstanceNormalizationF32, kGroupNormalizationF32;
extern const Kernel kConvIntegerI8, kMatMulIntegerI8, kQuantizeLinearI8, kDequantizeLinearI8, kDynamicQuantizeLinearI8;
extern const Kernel kLstmF32, kGruF32, kRnnF32;
extern const Kernel kConvTransposeF32, kWinogradConvTransposeF32, kConvWeightGradientF32, kMaxPoolGradientF32,
    kAveragePoolGradientF32, kGateF32, kSumOverChannelF32, kExpandF32;
extern const Kernel kDepthwiseWeightGradientF32, kWinogradWeightGradientF32, kGatherGradientF32, kIdentityF32, kCastF32,
    kCastToF32;
extern const Kernel kGreaterF32, kGreaterOrEqualF32, kLessF32, kLessOrEqualF32, kEqualF32, kAnd, kWhereF32;
extern const Kernel kGreaterIntegers, kGreaterOrEqualIntegers, kLessIntegers, kLessOrEqualIntegers, kEqualIntegers;
extern const Kernel kConcatF32, kGatherF32, kPadF32, kResizeF32, kSliceF32, kSplitF32, kTransposeF32;
extern const Kernel kAddI8, kAveragePoolI8, kConcatI8, kConvI8, kDepthwiseConvI8, kGemmI8, kGlobalAveragePoolI8,
    kLookupI8, kMatMulI8, kMaxPoolI8, kPadI8, kSliceI8, kTransposeI8;

}  // namespace edgesmith::runtime::native
