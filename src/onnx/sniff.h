// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "onnx/wire.h"

namespace edgesmith::onnx {

/// What a file that is not an ONNX model seems to be: "looks like a gzip archive; unpack it first". `sure` is set where
/// the first bytes alone decide; otherwise it is a guess, to be used once parsing has failed.
struct Sniffed {
  std::string what, hint;
  bool sure = false;
};
Sniffed sniff(wire::Bytes bytes);

}  // namespace edgesmith::onnx
