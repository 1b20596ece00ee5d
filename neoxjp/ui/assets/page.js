// What the page does in the browser without asking the server.
