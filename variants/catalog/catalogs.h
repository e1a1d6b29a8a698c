#pragma once

#include "engine/parts/catalog.h"

namespace lsmlab {

// A log of version edits, rolled over to a snapshot when it has grown.
extern const CatalogVariant kManifestCatalog;
// Tables say where they stand; the last output of each job commits it.
extern const CatalogVariant kFootersCatalog;

}  // namespace lsmlab
