// SPDX-License-Identifier: Apache-2.0
// Progress of long work. Library code reports to a sink; `tools/` decides how it is shown.
#pragma once

#include <cstdint>
#include <string_view>

namespace edgesmith {

/// Receives progress; thread-safe. The base class ignores everything.
class ProgressSink {
 public:
  virtual ~ProgressSink() = default;
  /// A piece of work of `total` units begins ("calibrate", 256). Pieces do not nest.
  virtual void begin(std::string_view /*what*/, int64_t /*total*/) {}
  /// `done` units of the current piece are finished, in all.
  virtual void update(int64_t /*done*/) {}
  /// What the current piece has to say of itself ("loss 0.12, 300 samples/s, 2 min left"); the last words stay at its
  /// end.
  virtual void detail(std::string_view /*text*/) {}
  virtual void end() {}
};

/// True once the user asked to stop (SIGINT); long loops poll it between batches and return ErrorKind::interrupted.
bool interrupted();
/// Called by the signal handler of `tools/`; async-signal-safe.
void request_interrupt();

}  // namespace edgesmith
