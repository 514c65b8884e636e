// SPDX-License-Identifier: Apache-2.0
// MNIST's files, gzip or not: `...images-idx3-ubyte` with `...labels-idx1-ubyte` beside it.
#include "data/idx.h"
#include "data/labels.h"
#include "data/sources/array_source.h"
#include "data/sources/forms.h"
#include "edgesmith/base/log.h"
#include "edgesmith/base/text.h"

namespace edgesmith::data {

Result<SourcePtr> open_idx_source(const DataSpec& spec, const Signature& signature) {
  if (signature.inputs.size() != 1) {
    return invalid_error(spec.path + ": one array for a model with the inputs " + join(signature.input_names(), ", "),
                         "give an .npz file with arrays named after them");
  }
  if (spec.labels == "folders" || spec.labels == "folder-numbers") {
    return labels_mismatch(spec, "an IDX file", "a file of labels or none");
  }
  auto bytes = map_or_gunzip(spec.path);
  if (!bytes) return bytes.error();
  auto tensor = parse_idx(*bytes, spec.path);
  if (!tensor) return tensor.error();
  auto source = ArraySource::make(spec.path, {*tensor}, signature);
  if (!source) return source.error();
  const std::string beside = spec.labels.empty() ? idx_labels_beside(spec.path) : spec.labels;
  if (beside.empty()) {
    log::info(spec.path + ": no labels file beside it (the same name with 'labels' for 'images')");
  } else if (beside != "none") {
    auto labels = read_label_file(beside, (*source)->size());
    if (!labels) return labels.error();
    EDGESMITH_TRY((*source)->set_labels(std::move(*labels)));
  }
  return SourcePtr(std::move(*source));
}

}  // namespace edgesmith::data
