// SPDX-License-Identifier: Apache-2.0
// One array, axis 0 the sample; labels only from a file that is named.
#include "data/labels.h"
#include "data/npy.h"
#include "data/sources/array_source.h"
#include "data/sources/forms.h"
#include "edgesmith/base/text.h"

namespace edgesmith::data {

Result<SourcePtr> open_npy_source(const DataSpec& spec, const Signature& signature) {
  if (signature.inputs.size() != 1) {
    return invalid_error(spec.path + ": one array for a model with the inputs " + join(signature.input_names(), ", "),
                         "give an .npz file with arrays named after them");
  }
  auto bytes = map_file(spec.path);
  if (!bytes) return bytes.error();
  auto tensor = parse_npy(*bytes, spec.path);
  if (!tensor) return tensor.error();
  auto source = ArraySource::make(spec.path, {*tensor}, signature);
  if (!source) return source.error();
  if (spec.labels == "folders" || spec.labels == "folder-numbers") {
    return labels_mismatch(spec, "an array", "a file of labels or none");
  }
  if (!spec.labels.empty() && spec.labels != "none") {
    auto labels = read_label_file(spec.labels, (*source)->size());
    if (!labels) return labels.error();
    EDGESMITH_TRY((*source)->set_labels(std::move(*labels)));
  }
  return SourcePtr(std::move(*source));
}

}  // namespace edgesmith::data
