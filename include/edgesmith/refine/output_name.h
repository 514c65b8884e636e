// SPDX-License-Identifier: Apache-2.0
// Names behind -o: one that ends like another kind of file is a slip of the pen, found before any work is done.
#pragma once

#include <string>
#include <string_view>

#include "edgesmith/base/result.h"

namespace edgesmith::refine {

/// Checks the name of a file of the kind `what` ("ONNX", "an .npz file"), whose names may end in `ending` (".npz") or
/// in no ending that is known; nothing to check for "" and devices. Errors: usage, for a name that promises another
/// kind of file ("answers.onnx").
Status check_ending(const std::string& path, std::string_view what, std::string_view ending);

/// The same for a model: ONNX, or packed where the name ends in .esm.
Status check_model_name(const std::string& path);

/// True for "DIR/model.esm".
bool is_packed_name(const std::string& path);

}  // namespace edgesmith::refine
