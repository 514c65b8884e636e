// SPDX-License-Identifier: Apache-2.0
// EDGESMITH_CHECK(cond) << "context": aborts with file, line and message when `cond` is false. For our own bugs only,
// on in release builds too, never reachable from a user's file.
#pragma once

#include <sstream>

namespace edgesmith::detail {

/// Collects the message of a failed check and ends the process with exit code 70 when destroyed.
class CheckFailure {
 public:
  CheckFailure(const char* file, int line, const char* condition);
  CheckFailure(const CheckFailure&) = delete;
  CheckFailure& operator=(const CheckFailure&) = delete;
  [[noreturn]] ~CheckFailure();
  std::ostringstream& stream() { return stream_; }

 private:
  std::ostringstream stream_;
};

/// Lets a check expression have type void on both sides of `?:`.
struct Voidify {
  void operator&(std::ostream&) const {}
};

}  // namespace edgesmith::detail

#define EDGESMITH_CHECK(condition) \
  (condition)                      \
      ? (void)0                    \
      : ::edgesmith::detail::Voidify() & ::edgesmith::detail::CheckFailure(__FILE__, __LINE__, #condition).stream()
