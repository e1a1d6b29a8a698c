#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "engine/base/status.h"
#include "engine/store.h"
#include "tests/support/store_model.h"

namespace lsmlab::test {

// Every key that a store shows, with its value.
using WholeContent = std::map<std::string, std::string>;

// Adds what a reader after operation `at` of the model sees.
void AddContent(const StoreModel& model, uint64_t at, WholeContent* content);

// Whether walks over the whole store, forward and back, show this content and nothing else.
Status CheckWholeWalks(Store& store, const WholeContent& content);

}  // namespace lsmlab::test
