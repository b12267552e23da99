// What a step gives to the requests that it has served, whichever way an engine holds them.

// Served requests whose known tokens are all computed get a token, and leave if it is their last.
function giveTokens(engine, served) {
  const { running, computed, known } = engine;
  let kept = 0;
  for (let place = 0; place < engine.count; place++) {
    const request = running[place];
    if (place < served && computed[request] === known[request]) {
      known[request]++;
      engine.begun[request] = 1;
      if (known[request] === engine.prompt[request] + engine.output[request]) {
        engine.release(request);
        continue;
      }
    }
    running[kept++] = request;
  }
  engine.count = kept;
}
