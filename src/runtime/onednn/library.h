// SPDX-License-Identifier: Apache-2.0
// oneDNN's C functions, taken from libdnnl.so.2 when a kernel first asks: edgesmith neither needs that library to start
// nor maps it for commands that never choose its kernels.
#pragma once

#include <oneapi/dnnl/dnnl.h>

#include <memory>
#include <string_view>

#include "edgesmith/base/result.h"

namespace edgesmith::runtime::onednn {

/// The functions of functions.def.
struct Library {
#define EDGESMITH_ONEDNN(name) decltype(&dnnl_##name) name = nullptr;
#include "runtime/onednn/functions.def"
#undef EDGESMITH_ONEDNN
  dnnl_engine_t engine = nullptr;
};

/// "" where oneDNN can be used, else why not.
std::string_view unavailable();
/// Only where unavailable() is "". The calling thread runs oneDNN alone from here on: threads are the executor's.
const Library& library();
/// Stream of the calling thread.
dnnl_stream_t stream();

/// Destroys oneDNN's objects.
struct Destroy {
  void operator()(dnnl_primitive_t primitive) const { library().primitive_destroy(primitive); }
  void operator()(dnnl_primitive_desc_t desc) const { library().primitive_desc_destroy(desc); }
  void operator()(dnnl_primitive_attr_t attr) const { library().primitive_attr_destroy(attr); }
  void operator()(dnnl_memory_t memory) const { library().memory_destroy(memory); }
  void operator()(dnnl_stream_t stream) const { library().stream_destroy(stream); }
};
using Primitive = std::unique_ptr<dnnl_primitive, Destroy>;
using PrimitiveDesc = std::unique_ptr<dnnl_primitive_desc, Destroy>;
using Memory = std::unique_ptr<dnnl_memory, Destroy>;

/// Errors: internal, naming the function that failed.
Status check(dnnl_status_t status, const char* function);

}  // namespace edgesmith::runtime::onednn
