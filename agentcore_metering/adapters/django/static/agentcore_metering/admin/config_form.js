/* Makes the form of a configuration follow its provider: which fields it has, which of them it needs, and which models it knows.
   The page works without it. */
"use strict";
(function () {
  const ONLY_FOR = { api_version: ["azure_openai"], deployment: ["azure_openai"], organization: ["openai", "openai_compatible"] };
  const OTHER = "other";

  function rowOf(name) {
    return document.querySelector(".form-row.field-" + name);
  }

  function isFilled(name) {
    const input = document.getElementById("id_" + name);
    return input !== null && input.value !== "";
  }

  function show(name, isWanted) {
    const row = rowOf(name);
    if (row !== null) {
      row.classList.toggle("metering-irrelevant", !isWanted && !row.classList.contains("errors"));
    }
  }

  function followProvider(select, facts) {
    const known = facts[select.value] || {};
    show("other_provider", select.value === OTHER);
    Object.keys(ONLY_FOR).forEach(function (name) {
      show(name, ONLY_FOR[name].includes(select.value) || isFilled(name));
    });
    ["api_key", "api_base"].forEach(function (name) {
      const label = document.querySelector("label[for=id_" + name + "]");
      if (label !== null) {
        label.classList.toggle("required", (known.required || []).includes(name));
      }
    });
    placeholder("model", known.default_model);
    placeholder("api_base", known.default_api_base);
  }

  function placeholder(name, text) {
    const input = document.getElementById("id_" + name);
    if (input !== null) {
      input.placeholder = text || "";
    }
  }

  function suggestModels(list, provider) {
    list.replaceChildren();
    if (!provider || provider === OTHER) {
      return;
    }
    fetch(list.dataset.url.replace("PROVIDER", encodeURIComponent(provider)), { credentials: "same-origin" })
      .then(function (response) {
        return response.ok ? response.json() : { models: [] };
      })
      .then(function (answer) {
        list.replaceChildren.apply(
          list,
          answer.models.map(function (model) {
            const option = document.createElement("option");
            option.value = model;
            return option;
          })
        );
      })
      .catch(function () {
        /* Without suggestions the model is typed. */
      });
  }

  function start() {
    const select = document.getElementById("id_provider");
    const list = document.getElementById("metering-models");
    const model = document.getElementById("id_model");
    if (select === null || list === null || !select.dataset.meteringProviders) {
      return;
    }
    const facts = JSON.parse(select.dataset.meteringProviders);
    let suggested = null;
    function suggest() {
      if (suggested !== select.value) {
        suggested = select.value;
        suggestModels(list, select.value);
      }
    }
    followProvider(select, facts);
    select.addEventListener("change", function () {
      followProvider(select, facts);
    });
    /* Not before somebody wants them: the first answer of a server process may take seconds. */
    model.addEventListener("focus", suggest);
  }

  if (document.readyState === "loading") {
    document.addEventListener("DOMContentLoaded", start);
  } else {
    start();
  }
})();
