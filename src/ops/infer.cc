// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/ops/op_info.h"
