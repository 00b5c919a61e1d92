// Relative to the page: the same under any prefix that a proxy puts before it.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null, // no badge from elsewhere
});
