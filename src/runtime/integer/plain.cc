// SPDX-License-Identifier: Apache-2.0
#include "runtime/integer/plain.h"

namespace edgesmith::runtime::integer {

namespace {

constexpr Kernel row(std::string_view name, std::optional<Layout> layout, bool (*supports)(const Form&),
                     Result<std::shared_ptr<const Prepared>> (*prepare)(const Form&, Isa),
                     Status (*run)(const KernelCall&)) {
  Kernel kernel;
  kernel.provider = "reference";
  kernel.name = name;
  kernel.supports_form = supports;
  kernel.layout = layout;
  kernel.prepare_form = prepare;
  kernel.run = run;
  return kernel;
}

constexpr Kernel with_real_results(Kernel kernel) {
  kernel.real_results = true;
  return kernel;
}

constexpr std::array kRows = {
    row("conv_codes", Layout::row_major, is_conv, prepare_weights, run_conv),
    with_real_results(
        row("matrix_product_codes", Layout::row_major, is_matrix_product, prepare_weights, run_matrix_product)),
    row("add_codes", Layout::row_major, is_add, prepare_plain, run_add),
    row("mul_codes", Layout::row_major, is_mul, prepare_plain, run_mul),
    row("average_codes", Layout::row_major, is_average, prepare_plain, run_average),
    row("lookup_codes", std::nullopt, is_lookup, prepare_lookup, run_lookup),
    row("move_codes", Layout::row_major, is_move, prepare_plain, run_move),
};

}  // namespace

std::span<const Kernel> plain_kernels() { return kRows; }

Result<std::shared_ptr<const Prepared>> prepare_plain(const Form& form, Isa) {
  auto out = std::make_shared<PlainForm>();
  out->form = form;
  return std::shared_ptr<const Prepared>(std::move(out));
}

Result<std::shared_ptr<const Prepared>> prepare_weights(const Form& form, Isa) {
  auto layer = make_weight_layer(form);
  if (!layer) return layer.error();
  auto out = std::make_shared<PlainWeights>();
  out->form = form;
  out->layer = std::move(*layer);
  return std::shared_ptr<const Prepared>(std::move(out));
}

}  // namespace edgesmith::runtime::integer
