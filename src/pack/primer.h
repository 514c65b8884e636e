// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace edgesmith::pack {

/// What the byte model has read before it meets a model: the words of ONNX in the framing that they have in files.
/// Part of the format: another primer is another version.
std::string primer();

}  // namespace edgesmith::pack
