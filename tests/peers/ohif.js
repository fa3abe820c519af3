// Asks the page of OHIF what it shows. The viewer puts its services, cornerstone and the tools on the window.
globalThis.look = (() => {
  const pixelOf = (imageId, world) => cornerstone.utilities.worldToImageCoords(imageId, world).map(part => part - 0.5);
  const frameOf = imageId => Number(/\/frames\/(\d+)/.exec(imageId)[1]);
  const instanceOf = imageId => /\/instances\/([\d.]+)/.exec(imageId)[1];
  const grid = () => services.viewportGridService.getState();
  const viewport = () => services.cornerstoneViewportService.getCornerstoneViewport(grid().activeViewportId);
  const series = uid => services.displaySetService.getActiveDisplaySets().find(
    each => each.SeriesInstanceUID === uid && !each.madeInClient);
  const marksOf = displaySet => {
    const uids = displaySet.measurements.map(each => each.TrackingUniqueIdentifier);
    return cornerstoneTools.annotation.state.getAllAnnotations().filter(each => uids.includes(each.annotationUID));
  };
  // Values of 0 to 255, whatever array holds them.
  const base64 = values => btoa(Array.from(values, value => String.fromCharCode(value)).join(''));
  // Something is there to be drawn; whether it was drawn lately is for settle.
  const drawn = view => Boolean(view?.getCurrentImageId?.()) && ['needsRender', 'rendered'].includes(view.viewportStatus);

  return {
    isReady: () => Boolean(globalThis.services?.displaySetService?.getActiveDisplaySets().length && drawn(viewport())),

    thumbnail: uid => {
      const found = series(uid);
      const id = `thumbnail-${found?.displaySetInstanceUID}`;
      return document.getElementById(id) ? id : null;
    },

    // In words, for when something does not come.
    state: () => {
      const view = viewport();
      return JSON.stringify({
        open: grid().viewports.get(grid().activeViewportId)?.displaySetInstanceUIDs,
        image: view?.getCurrentImageId?.(),
        status: view?.viewportStatus,
        texts: document.querySelectorAll('.viewport-element svg text').length,
        series: services.displaySetService.getActiveDisplaySets().map(
          each => [each.Modality, each.displaySetInstanceUID, each.SeriesInstanceUID, each.isLoaded]),
      });
    },

    listed: () => services.displaySetService.getActiveDisplaySets()
      .filter(each => document.getElementById(`thumbnail-${each.displaySetInstanceUID}`))
      .map(each => [each.SeriesInstanceUID, !each.unsupported]),

    isDrawn: uid => {
      const wanted = series(uid);
      const open = grid().viewports.get(grid().activeViewportId).displaySetInstanceUIDs;
      const view = viewport();
      if (wanted.Modality === 'SEG') {
        // Opened, it is laid over its source, which then is what the viewport holds.
        const source = wanted.referencedDisplaySetInstanceUID;
        const represented = cornerstoneTools.segmentation.state.getSegmentationRepresentations(view?.id ?? '') ?? [];
        return open.includes(source) && drawn(view) &&
          view.getCurrentImageId().includes(wanted.referencedSeriesInstanceUID) &&
          represented.some(each => each.segmentationId === wanted.displaySetInstanceUID);
      }
      if (!open.includes(wanted.displaySetInstanceUID)) return false;
      if (wanted.Modality !== 'SR') return drawn(view) && view.getCurrentImageId().includes(uid);
      if (!wanted.isImagingMeasurementReport) return true;
      if (!wanted.isLoaded || !drawn(view) || !marksOf(wanted).length) return false;
      if (view.element.querySelector('svg.svg-layer text')) return true;
      view.render();  // the viewer may learn which marks to draw only after its last drawing
      return false;
    },

    segments: uid => {
      const displaySet = series(uid);
      const {segments, representationData} =
        cornerstoneTools.segmentation.state.getSegmentation(displaySet.displaySetInstanceUID);
      const labels = Object.fromEntries(Object.entries(segments).map(([number, each]) => [number, each.label]));
      const layers = representationData.Labelmap.imageIds.map(imageId => {
        const {rows, columns, referencedImageId, voxelManager} = cornerstone.cache.getImage(imageId);
        return {rows, columns, frame: frameOf(referencedImageId), bytes: base64(voxelManager.getScalarData())};
      });
      return {labels, layers};
    },

    measurements: uid => marksOf(series(uid)).map(each => {
      const {referencedImageId} = each.metadata;
      return {
        frame: frameOf(referencedImageId),
        sopInstanceUid: instanceOf(referencedImageId),
        points: Object.values(each.data.renderableData).flat(2).map(world => pixelOf(referencedImageId, world)),
        labels: each.data.labels.map(({label, value}) => `${label}: ${value}`),
      };
    }),

    pixels: () => {
      const image = cornerstone.cache.getImage(viewport().getCurrentImageId());
      return {rows: image.rows, columns: image.columns, bytes: base64(image.getPixelData())};
    },

    frame: () => frameOf(viewport().getCurrentImageId()),

    // A drawing of the picture is awaited, and the marks, which follow it.
    settle: async () => {
      const view = viewport();
      await new Promise(done => {
        view.element.addEventListener('CORNERSTONE_IMAGE_RENDERED', done, {once: true});
        view.render();
      });
      for (let turn = 0; turn < 3; turn += 1) await new Promise(requestAnimationFrame);
    },

    turnTo: async frame => {
      const view = viewport();
      await view.setImageIdIndex(view.getImageIds().findIndex(imageId => frameOf(imageId) === frame));
    },

    // Where the centres of the first pixel, of the next in its row and of the next in its column are on the screen.
    place: () => {
      const view = viewport();
      const imageId = view.getCurrentImageId();
      const {rows, columns} = cornerstone.cache.getImage(imageId);
      const {left, top} = view.element.getBoundingClientRect();
      const onScreen = (column, row) => {
        const world = cornerstone.utilities.imageToWorldCoords(imageId, [column + 0.5, row + 0.5]);
        const [x, y] = view.worldToCanvas(world);
        return [left + x, top + y];
      };
      const layer = view.element.querySelector('svg.svg-layer');
      return {
        rows, columns,
        frame: frameOf(imageId),
        sopInstanceUid: instanceOf(imageId),
        origin: onScreen(0, 0), right: onScreen(1, 0), down: onScreen(0, 1),
        labels: Array.from(layer.querySelectorAll('text tspan'), ({textContent}) => textContent),
      };
    },
  };
})();
