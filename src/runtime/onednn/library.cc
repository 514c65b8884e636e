// SPDX-License-Identifier: Apache-2.0
#include "runtime/onednn/library.h"

#include <dlfcn.h>

#include <string>

#include "edgesmith/base/check.h"
#include "runtime/isa.h"

namespace edgesmith::runtime::onednn {

namespace {

constexpr const char* kFile = "libdnnl.so.2";

// EDGESMITH_ISA holds for oneDNN too.
dnnl_cpu_isa_t most_allowed() {
  const auto isa = isa_in_use();
  if (!isa) return dnnl_cpu_isa_avx2;
  if (allows(*isa, Isa::avx512vnni)) return dnnl_cpu_isa_all;
  if (allows(*isa, Isa::avx512)) return dnnl_cpu_isa_avx512_core;
  return allows(*isa, Isa::avxvnni) ? dnnl_cpu_isa_avx2_vnni : dnnl_cpu_isa_avx2;
}

// Debian's oneDNN shares its work out by OpenMP; the number of its threads is a setting of each calling thread.
using SetThreads = void (*)(int);

struct Loaded {
  Library library;
  SetThreads set_threads = nullptr;
  std::string why_not;

  Loaded() {
    void* handle = dlopen(kFile, RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      why_not = std::string("needs ") + kFile + ", which is not installed";
      return;
    }
#define EDGESMITH_ONEDNN(name)                                                           \
  library.name = reinterpret_cast<decltype(library.name)>(dlsym(handle, "dnnl_" #name)); \
  if (library.name == nullptr) why_not = std::string(kFile) + " lacks dnnl_" #name;
#include "runtime/onednn/functions.def"
#undef EDGESMITH_ONEDNN
    if (!why_not.empty()) return;
    set_threads = reinterpret_cast<SetThreads>(dlsym(handle, "omp_set_num_threads"));
    library.set_max_cpu_isa(most_allowed());
    if (library.engine_create(&library.engine, dnnl_cpu, 0) != dnnl_success) {
      why_not = std::string(kFile) + " has no engine for this CPU";
    }
  }
};

// Never destroyed: plans that live until the process ends still hold its objects.
const Loaded& loaded() {
  static const Loaded* const kLoaded = new Loaded;
  return *kLoaded;
}

}  // namespace

std::string_view unavailable() { return loaded().why_not; }

const Library& library() {
  EDGESMITH_CHECK(loaded().why_not.empty()) << loaded().why_not;
  thread_local bool alone = false;
  if (!alone && loaded().set_threads != nullptr) loaded().set_threads(1);
  alone = true;
  return loaded().library;
}

dnnl_stream_t stream() {
  thread_local std::unique_ptr<dnnl_stream, Destroy> own;
  if (own == nullptr) {
    dnnl_stream_t made = nullptr;
    EDGESMITH_CHECK(library().stream_create(&made, library().engine, dnnl_stream_default_flags) == dnnl_success);
    own.reset(made);
  }
  return own.get();
}

Status check(dnnl_status_t status, const char* function) {
  if (status == dnnl_success) return {};
  return Error{ErrorKind::internal,
               std::string("oneDNN's ") + function + " failed with status " + std::to_string(status),
               "leave this node to another kernel"};
}

}  // namespace edgesmith::runtime::onednn
