// SPDX-License-Identifier: Apache-2.0
// Changes to models as messages, for the importer's fuzzer: bytes alone rarely come past what parses them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string_view>

#include <onnx/onnx_pb.h>

namespace edgesmith::fuzz {

/// The model with one field of one message set, cleared, doubled, moved, or replaced by one of the same kind from
/// `donor` (which may be the model itself): every message, and every field that it may have, as likely as any other.
void mutate_model(::onnx::ModelProto& model, const ::onnx::ModelProto& donor, std::minstd_rand& random);

}  // namespace edgesmith::fuzz
