// SPDX-License-Identifier: Apache-2.0
// Errors are values: a function that can fail returns `Result<T>` (or `Status` when there is no value).
// Library code never throws, prints or exits; `tools/` turns an Error into one line and an exit code.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "edgesmith/base/check.h"

namespace edgesmith {

/// What kind of thing went wrong; decides the exit code (docs/cli.md).
enum class ErrorKind {
  usage,        ///< wrong option, recipe or selector (exit 2)
  invalid,      ///< the model or the data is wrong (exit 3)
  unsupported,  ///< valid, but something needed is not supported (exit 4)
  io,           ///< files, memory or time limits (exit 5)
  interrupted,  ///< SIGINT (exit 130)
  internal,     ///< a bug of ours (exit 70)
};

/// The word used for `kind` in JSON: "usage", "invalid", ...
const char* error_kind_name(ErrorKind kind);
/// The documented process exit code of `kind`.
int exit_code_of(ErrorKind kind);

/// A failure. `message` is lower case, has no full stop, names the file or node and gives the numbers;
/// `hint` says what to do about it and may be empty. Nothing of it is inline: it is in every source.
struct Error {
  ErrorKind kind = ErrorKind::internal;
  std::string message;
  std::string hint;

  Error();
  Error(ErrorKind kind, std::string message, std::string hint);
  Error(const Error& other);
  Error(Error&& other) noexcept;
  Error& operator=(const Error& other);
  Error& operator=(Error&& other) noexcept;
  ~Error();

  /// "message; hint".
  std::string text() const;
  /// The same error with `context` and ": " put before the message.
  Error in(const std::string& context) const;
};

Error usage_error(std::string message, std::string hint = {});
Error invalid_error(std::string message, std::string hint = {});
Error unsupported_error(std::string message, std::string hint = {});
Error io_error(std::string message, std::string hint = {});

namespace detail {
/// Ends the process: the value of a failed Result was asked for, which is a bug of ours.
[[noreturn]] void no_value(const Error& error);
}  // namespace detail

/// A value or an Error.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}      // NOLINT: implicit by design
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit by design

  bool ok() const { return value_.has_value(); }
  explicit operator bool() const { return ok(); }
  T& value() & {
    if (!ok()) detail::no_value(*error_);
    return *value_;
  }
  const T& value() const& {
    if (!ok()) detail::no_value(*error_);
    return *value_;
  }
  T&& value() && {
    if (!ok()) detail::no_value(*error_);
    return std::move(*value_);
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const { return *error_; }

 private:
  // One of the two is there. Not a std::variant: this is instantiated in every source, and costs a third to compile.
  std::optional<T> value_;
  std::optional<Error> error_;
};

/// Success or an Error.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)) {}  // NOLINT: implicit by design

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

}  // namespace edgesmith

/// Returns the error of `expr` (a Result or Status) from the enclosing function, if it failed.
/// Where the value is wanted, write: `auto x = f(); if (!x) return x.error();`
#define EDGESMITH_TRY(expr)                                           \
  do {                                                                \
    if (auto status_ = (expr); !status_.ok()) return status_.error(); \
  } while (false)
