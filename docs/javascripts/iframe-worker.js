// Browsers start no worker from a file. Where this site is read from files, search runs in a hidden frame instead.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.frame.srcdoc = "<!doctype html><title>Search</title>";
      this.scope = new Promise((resolve) => {
        this.frame.addEventListener("load", () => this.start(url).then(resolve), { once: true });
      });
      document.body.append(this.frame);
    }

    async start(url) {
      const scope = this.frame.contentWindow;
      const load = (address) =>
        new Promise((resolve, reject) => {
          const script = scope.document.createElement("script");
          Object.assign(script, { src: address, onload: resolve, onerror: reject });
          scope.document.body.append(script);
        });
      scope.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      scope.importScripts = async (...addresses) => {
        for (const address of addresses) await load(address);
      };
      await load(url);
      return scope;
    }

    async postMessage(data) {
      const scope = await this.scope;
      scope.dispatchEvent(new scope.MessageEvent("message", { data }));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
