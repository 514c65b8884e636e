// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/base/result.h"

#include <cstdlib>

namespace edgesmith {

const char* error_kind_name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage: return "usage";
    case ErrorKind::invalid: return "invalid";
    case ErrorKind::unsupported: return "unsupported";
    case ErrorKind::io: return "io";
    case ErrorKind::interrupted: return "interrupted";
    case ErrorKind::internal: return "internal";
  }
  return "internal";
}

int exit_code_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage: return 2;
    case ErrorKind::invalid: return 3;
    case ErrorKind::unsupported: return 4;
    case ErrorKind::io: return 5;
    case ErrorKind::interrupted: return 130;
    case ErrorKind::internal: return 70;
  }
  return 70;
}

void detail::no_value(const Error& error) {
  EDGESMITH_CHECK(false) << "no value, but an error: " << error.message;
  std::abort();  // not reached: the compiler does not know that a failed check ends the process
}

}  // namespace edgesmith
