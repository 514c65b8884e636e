// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/base/result.h"

#include <cstdlib>

#include "edgesmith/base/interruptible.h"

namespace edgesmith {

Error::Error() = default;
Error::Error(ErrorKind kind, std::string message, std::string hint)
    : kind(kind), message(std::move(message)), hint(std::move(hint)) {}
Error::Error(const Error& other) = default;
Error::Error(Error&& other) noexcept = default;
Error& Error::operator=(const Error& other) = default;
Error& Error::operator=(Error&& other) noexcept = default;
Error::~Error() = default;

std::string Error::text() const { return hint.empty() ? message : message + "; " + hint; }
Error Error::in(const std::string& context) const { return {kind, context + ": " + message, hint}; }

Error usage_error(std::string message, std::string hint) {
  return {ErrorKind::usage, std::move(message), std::move(hint)};
}
Error invalid_error(std::string message, std::string hint) {
  return {ErrorKind::invalid, std::move(message), std::move(hint)};
}
Error unsupported_error(std::string message, std::string hint) {
  return {ErrorKind::unsupported, std::move(message), std::move(hint)};
}
Error io_error(std::string message, std::string hint) { return {ErrorKind::io, std::move(message), std::move(hint)}; }

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
    case ErrorKind::interrupted: return interrupt_exit_code();
    case ErrorKind::internal: return 70;
  }
  return 70;
}

void detail::no_value(const Error& error) {
  EDGESMITH_CHECK(false) << "no value, but an error: " << error.message;
  std::abort();  // not reached: the compiler does not know that a failed check ends the process
}

}  // namespace edgesmith
