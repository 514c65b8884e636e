// SPDX-License-Identifier: Apache-2.0
// The rows of provider "onednn": Intel's library of hardware-accelerated kernels. They are never a default: a plan may
// choose them (`select`), and only where sums may be reassociated, because their blocking differs from CPU to CPU.
// Float32 only: without VNNI its int8 kernels saturate pairs of products.
#pragma once

#include "runtime/kernel_registry.h"

namespace edgesmith::runtime::onednn {

extern const Kernel kConvF32, kGemmF32;

}  // namespace edgesmith::runtime::onednn
