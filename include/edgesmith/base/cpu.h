// SPDX-License-Identifier: Apache-2.0
// The processor under a measurement: its name, the cores that may be used, and what steadies a timing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace edgesmith {

/// "AMD EPYC 9R45", "Cortex-A76", "Cortex-A55 + Cortex-A78"; "unknown" where the system does not say.
std::string cpu_name();
/// The name in a text as Linux has it in /proc/cpuinfo: the model's, or on Arm those of its kinds of cores.
std::string cpu_name_in(std::string_view cpuinfo);

/// Bytes of memory that this process may use: the machine's, or less where a control group limits it.
int64_t memory_bytes();

/// Cores that the calling thread may run on, the one it runs on first. Empty where the system does not say.
std::vector<int> allowed_cores();

/// Times that the system took the core away from the calling thread, since the thread began.
int64_t preemptions();

/// Keeps the calling thread on one core while it lives, then gives it its cores back.
class PinnedThread {
 public:
  /// `core` < 0 pins nothing.
  explicit PinnedThread(int core);
  ~PinnedThread();
  PinnedThread(const PinnedThread&) = delete;
  PinnedThread& operator=(const PinnedThread&) = delete;

  /// False where the system refused.
  bool pinned() const { return pinned_; }

 private:
  std::vector<int> before_;
  bool pinned_ = false;
};

/// Makes the calling thread take denormal floats for zero while it lives (they are slow on many CPUs).
class FlushDenormals {
 public:
  /// `on` false changes nothing.
  explicit FlushDenormals(bool on);
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  bool on_;
  uint64_t before_ = 0;
};

}  // namespace edgesmith
