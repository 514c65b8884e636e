// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "edgesmith/base/check.h"
#include "pack/mixing.h"
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace edgesmith::pack {

/// Many fresh counters that are read in no order: in large pages where the system has them, so that neither filling the
/// table nor finding a counter is about pages (29 MB of them for the graph of a ResNet-20).
class CounterTable {
 public:
  CounterTable() = default;
  explicit CounterTable(size_t count) {
    constexpr size_t kPage = size_t{2} << 20;
    const size_t bytes = (count * sizeof(Counter) + kPage - 1) / kPage * kPage;
    void* memory = std::aligned_alloc(kPage, bytes);
    EDGESMITH_CHECK(memory != nullptr) << "no memory for " << bytes << " bytes of counters";
#if defined(__linux__)
    (void)::madvise(memory, bytes, MADV_HUGEPAGE);  // as well as it can
#endif
    counters_.reset(static_cast<Counter*>(memory));
    std::uninitialized_fill_n(counters_.get(), count, Counter());
  }
  Counter& operator[](size_t index) { return counters_[index]; }

 private:
  struct Free {
    void operator()(Counter* counters) const { std::free(counters); }
  };
  std::unique_ptr<Counter[], Free> counters_;
};

}  // namespace edgesmith::pack
