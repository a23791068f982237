// What PostGraphile takes from Node 22 and Node 20 lacks; on later versions this does nothing.
Promise.withResolvers ??= function withResolvers() {
  let resolve, reject;
  const promise = new this((whenKept, whenBroken) => {
    resolve = whenKept;
    reject = whenBroken;
  });
  return { promise, resolve, reject };
};
